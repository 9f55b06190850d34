"""``flytetemporal migrate``: brings the database's schema up to date."""

import click

from flytetemporal import log
from flytetemporal.config.settings import Settings
from flytetemporal.db import migrate as migrations


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date. Several can run at once."""
    log.configure()
    migrations.upgrade(Settings().database.url.get_secret_value())
    click.echo("the schema is up to date")
