"""With versioned workers an execution finishes on the build that started it, also if a later build is current."""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib import metadata
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring import deployments
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.contracts import workflows
from tests.fixtures.waiting import HANG_SECONDS, bounded


@workflow.defn(name=workflows.EXECUTION_WORKFLOW, sandboxed=False)
class Old:
    """Waits for a signal, then sleeps."""

    def __init__(self) -> None:
        self.signalled = False

    @workflow.signal
    def go(self) -> None:
        self.signalled = True

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.signalled)
        await workflow.sleep(0.01)
        return "old"


@workflow.defn(name=workflows.EXECUTION_WORKFLOW, sandboxed=False)
class New:
    """Cannot replay a history of Old."""

    @workflow.signal
    def go(self) -> None:
        """Accept the signal that Old waits for."""

    @workflow.run
    async def run(self) -> str:
        await workflow.sleep(0.02)
        await workflow.sleep(0.01)
        return "new"


@asynccontextmanager
async def worker(client: Client, settings: TemporalSettings, implementation: type) -> AsyncIterator[None]:
    """Run a worker of a build until the context ends, and make its build current once Temporal knows it."""
    running = Worker(
        client,
        task_queue=workflows.engine_queue(settings.cluster),
        workflows=[implementation],
        workflow_runner=UnsandboxedWorkflowRunner(),
        deployment_config=deployments.config(settings),
    )
    async with set_deadlock_timeout(running):
        async with asyncio.timeout(HANG_SECONDS):
            while True:
                try:
                    await deployments.promote(client, settings)
                except CommandError:
                    await asyncio.sleep(0.2)
                else:
                    break
        yield


async def start(client: Client, settings: TemporalSettings) -> str:
    name = f"a{uuid.uuid4().hex}"
    queue = workflows.engine_queue(settings.cluster)
    await client.start_workflow(
        workflows.EXECUTION_WORKFLOW, id=name, task_queue=queue, task_timeout=timedelta(seconds=5)
    )
    return name


async def has_started(handle: WorkflowHandle[Any, Any]) -> None:
    """Return when the first workflow task is completed."""
    while (await handle.describe()).history_length < 4:  # noqa: ASYNC110  Temporal sends no notification
        await asyncio.sleep(0.05)


async def test_an_execution_finishes_on_the_build_that_started_it(temporal: Client) -> None:
    first = TemporalSettings(cluster=uuid.uuid4().hex[:8], versioned=True, build="1")
    second = first.model_copy(update={"build": "2"})

    async with worker(temporal, first, Old):
        running = await start(temporal, first)
        handle = temporal.get_workflow_handle(running)
        await has_started(handle)
        async with worker(temporal, second, New):
            later = await start(temporal, second)
            assert await temporal.get_workflow_handle(later, result_type=str).result() == "new"
            await handle.signal("go")
            assert await bounded(temporal.get_workflow_handle(running, result_type=str).result()) == "old"


async def test_a_build_that_no_worker_runs_cannot_be_made_current(temporal: Client) -> None:
    settings = TemporalSettings(cluster=uuid.uuid4().hex[:8], versioned=True, build="1")

    with pytest.raises(CommandError, match="start workers with FLYTETEMPORAL_TEMPORAL__VERSIONED=true first"):
        await deployments.promote(temporal, settings)


def test_the_build_names_the_package_and_python() -> None:
    found = deployments.version(TemporalSettings())

    assert found.build_id == f"{metadata.version('flytetemporal')}-py{sys.version_info.major}{sys.version_info.minor}"
