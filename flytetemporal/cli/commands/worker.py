"""``flytetemporal worker``: one process of one data plane. It holds no database credentials."""

import asyncio

import click

from flytetemporal.cli.wiring import notify, serving, workers
from flytetemporal.config.settings import Settings


@click.command()
def worker() -> None:
    """Run executions and their tasks. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables."""
    settings = Settings()
    serving.run(lambda stop: serve(settings, stop))


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Poll Temporal until told to stop; then running activities get their grace."""
    notify.tell("waiting for Temporal")
    async with workers.workers(settings):
        notify.tell("polling", ready=True)
        await stop.wait()
        notify.tell("stopping")
