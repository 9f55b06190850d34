"""What ``doctor`` says of servers that are not those of a development stack."""

from flytetemporal.cli.commands import doctor
from flytetemporal.config.database import DatabaseSettings


async def test_the_schemas_of_admin_and_of_the_catalog_are_named(database: DatabaseSettings) -> None:
    finding = await doctor._postgres(database)

    admin, _, catalog = finding.rpartition("schema ")[2].partition(" and ")
    assert admin.isdecimal()
    assert catalog.startswith("c")
