"""``flytetemporal control-worker``: runs the control plane's own workflows."""

import asyncio

import click

from flytetemporal.cli.serving import privacy
from flytetemporal.cli.serving.notifications import notify
from flytetemporal.cli.serving.signals import run_until_signalled
from flytetemporal.cli.wiring import configuration, control_plane, control_workers, upkeep_loops
from flytetemporal.config.settings import Settings


@click.command("control-worker")
@configuration.option
def control_worker(config: tuple[str, ...]) -> None:
    """Run the loops that keep everything in order, and launch schedules. Several control workers can run at once.

    Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables and --config.
    """
    privacy.hide_memory()
    settings = configuration.load(config)
    run_until_signalled(lambda stop: serve(settings, stop))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Poll Temporal until ``stop`` is set."""
    notify("waiting for Postgres and Temporal")
    async with (
        control_plane.dependencies(settings, migrate=False) as deps,
        control_workers.control_worker(deps, settings.temporal, upkeep_loops.loops(deps, settings)),
    ):
        notify("polling", ready=True)
        await stop.wait()
        notify("stopping")
