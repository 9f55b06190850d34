"""``flytetemporal promote``: makes a build of the workers the one that new executions start on."""

import asyncio

import click

from flytetemporal.cli.wiring import configuration, connections, deployments
from flytetemporal.config.temporal import TemporalSettings


@click.command()
@click.option("--build", default="", help="The build to promote; default: this installation's.")
def promote(build: str) -> None:
    """Make a build of versioned workers the current one; running executions stay on theirs.

    Settings come from FLYTETEMPORAL_TEMPORAL__<FIELD> variables.
    """
    settings = configuration.load().temporal
    chosen = settings.model_copy(update={"build": build}) if build else settings
    click.echo(asyncio.run(_promote(chosen)))


async def _promote(settings: TemporalSettings) -> str:
    promoted = await deployments.promote(await connections.temporal(settings), settings)
    return f"new executions of {promoted.deployment_name} start on build {promoted.build_id}"
