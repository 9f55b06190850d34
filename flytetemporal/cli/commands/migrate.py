"""``flytetemporal migrate``: prepares the database and Temporal's namespace."""

import asyncio

import click

from flytetemporal import log
from flytetemporal.cli.wiring import configuration, connections, search_attributes
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.db import migrate as migrations


@click.command()
@configuration.option
def migrate(config: tuple[str, ...]) -> None:
    """Bring the database's schema up to date, and register search attributes in Temporal. Several can run at once."""
    log.configure()
    settings = configuration.load(config)
    migrations.upgrade(settings.database.url.get_secret_value())
    click.echo("the schema is up to date")
    asyncio.run(_register(settings.temporal))
    click.echo(f"namespace {settings.temporal.namespace} has the search attributes")


async def _register(settings: TemporalSettings) -> None:
    await search_attributes.register(await connections.temporal(settings), settings)
