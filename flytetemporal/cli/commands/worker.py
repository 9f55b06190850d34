"""``flytetemporal worker``: one process of one data plane. It has no database credentials."""

import asyncio

import click

from flytetemporal.cli.serving import privacy
from flytetemporal.cli.serving.notifications import notify
from flytetemporal.cli.serving.signals import run_until_signalled
from flytetemporal.cli.wiring import configuration, workers
from flytetemporal.config.settings import Settings


@click.command()
def worker() -> None:
    """Run executions and their tasks. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables."""
    privacy.hide_memory()
    settings = configuration.load()
    run_until_signalled(lambda stop: serve(settings, stop))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Poll Temporal until ``stop`` is set; then give running activities their grace period."""
    notify("waiting for Temporal")
    async with workers.workers(settings):
        notify("polling", ready=True)
        await stop.wait()
        notify("stopping")
