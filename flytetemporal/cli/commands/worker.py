"""``flytetemporal worker``: one process of one data plane. It has no database credentials."""

import asyncio

import click

from flytetemporal.cli.serving import privacy
from flytetemporal.cli.serving.notifications import notify
from flytetemporal.cli.serving.signals import run_until_signalled
from flytetemporal.cli.wiring import configuration, workers
from flytetemporal.config.settings import Settings


@click.command()
@configuration.option
@click.option(
    "--plugin", type=click.Choice(["processes", "pods"]), help="What runs tasks: processes of the worker, or pods."
)
@click.option("--kubeconfig", default="", help="Kubeconfig file of the cluster for pods.")
@click.option("--in-cluster", is_flag=True, help="Run pods in the cluster of the worker's own pod.")
def worker(config: tuple[str, ...], plugin: str | None, kubeconfig: str, *, in_cluster: bool) -> None:
    """Run executions and their tasks. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables and --config."""
    privacy.hide_memory()
    if kubeconfig and in_cluster:
        raise click.UsageError("--kubeconfig and --in-cluster name two clusters; give one of them")
    settings = _with_options(configuration.load(config), plugin, kubeconfig, in_cluster=in_cluster)
    run_until_signalled(lambda stop: serve(settings, stop))


def _with_options(settings: Settings, plugin: str | None, kubeconfig: str, *, in_cluster: bool) -> Settings:
    """Return the settings after the options of the command, which win."""
    cluster: dict[str, object] = {"kubeconfig": kubeconfig} if kubeconfig else {}
    cluster |= {"in_cluster": True} if in_cluster else {}
    return settings.model_copy(
        update={
            "worker": settings.worker.model_copy(update={"plugin": plugin} if plugin else {}),
            "pods": settings.pods.model_copy(update=cluster),
        }
    )


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Poll Temporal until ``stop`` is set; then give running activities their grace period."""
    notify("waiting for Temporal")
    async with workers.workers(settings):
        notify("polling", ready=True)
        await stop.wait()
        notify("stopping")
