"""``flytetemporal control-worker``: runs the control plane's own workflows."""

import asyncio

import click

from flytetemporal.cli import notify, serving, wiring, wiring_control
from flytetemporal.config import Settings


@click.command("control-worker")
def control_worker() -> None:
    """Run the sweeper. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables; several do no harm."""
    settings = Settings()
    serving.run(lambda stop: serve(settings, stop))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Work until told to stop."""
    notify.tell("waiting for Postgres and Temporal")
    async with (
        wiring.dependencies(settings, migrate=False) as deps,
        wiring_control.control_worker(deps, settings.temporal),
    ):
        notify.tell("polling", ready=True)
        await stop.wait()
        notify.tell("stopping")
