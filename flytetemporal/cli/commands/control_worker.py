"""``flytetemporal control-worker``: runs the control plane's own workflows."""

import asyncio

import click

from flytetemporal.cli.wiring import control_plane, control_workers, notify, serving
from flytetemporal.config.settings import Settings


@click.command("control-worker")
def control_worker() -> None:
    """Run the sweeper. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables; several do no harm."""
    settings = Settings()
    serving.run(lambda stop: serve(settings, stop))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Work until told to stop."""
    notify.tell("waiting for Postgres and Temporal")
    async with (
        control_plane.dependencies(settings, migrate=False) as deps,
        control_workers.control_worker(deps, settings.temporal),
    ):
        notify.tell("polling", ready=True)
        await stop.wait()
        notify.tell("stopping")
