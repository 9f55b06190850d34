"""Attempts that a worker only watches, on a real Temporal server and the worker that the wiring builds."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest
from flyteidl.core import tasks_pb2
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.cli.wiring import plugins, slots, workers
from flytetemporal.config.settings import Settings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.plugins.protocol import PhaseInfo, Plugin, TaskContext, TaskPhase, succeeded
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.task_attempts import Bench, template
from tests.fixtures.waiting import bounded, eventually

MAX_TASKS = 2
WATCHED = 200


class Gated(Plugin):
    """Attempts that end when the test opens the gate of their kind."""

    identifier = "gated"
    running: ClassVar[set[str]]
    most: ClassVar[int]
    gate: ClassVar[asyncio.Event]

    def __init__(self, worker: WorkerSettings, storage: StorageSettings, blobs: BlobStore) -> None:
        type(self).running, type(self).most, type(self).gate = set(), 0, asyncio.Event()

    async def start(self, context: TaskContext) -> bytes:
        self.running.add(context.key)
        type(self).most = max(self.most, len(self.running))
        return b""

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        yield PhaseInfo(TaskPhase.RUNNING)
        await self.gate.wait()
        # Long enough for attempts that wait for the slot to start too early, if they could.
        await asyncio.sleep(0.1)
        self.running.discard(context.key)
        yield succeeded()

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        self.running.discard(context.key)


class Local(Gated):
    """Attempts that run on the machine of the worker."""


class Elsewhere(Gated):
    """Attempts that the worker only watches."""

    only_watches = True


@workflow.defn
class OneAttempt:
    """Runs an attempt on the task queue of the cluster."""

    @workflow.run
    async def run(self, attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await workflow.execute_activity(
            activities.run_task,
            attempt,
            task_queue=workflows.task_queue("slots"),
            start_to_close_timeout=timedelta(minutes=10),
            heartbeat_timeout=timedelta(minutes=1),
        )


def task(kind: str) -> tasks_pb2.TaskTemplate:
    made = template((), kind=kind, outputs=False)
    made.ClearField("container")
    return made


async def start(client: Client, bench: Bench, kind: str) -> WorkflowHandle[OneAttempt, execution_pb2.TaskAttemptResult]:
    attempt = await bench.attempt(task(kind))
    name = f"{kind}-{uuid.uuid4()}"
    return await client.start_workflow(OneAttempt.run, attempt, id=name, task_queue="one-attempt")


async def test_far_more_attempts_are_watched_than_run_here(
    temporal: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins.BY_TYPE, "local", Local)
    monkeypatch.setitem(plugins.BY_TYPE, "elsewhere", Elsewhere)
    bench = Bench.at(tmp_path, max_tasks=MAX_TASKS, max_watched=1000)
    settings = Settings.model_validate({"temporal": {"cluster": "slots"}})
    tuner = slots.tuner(bench.slots)
    engine = Worker(
        temporal, task_queue="one-attempt", workflows=[OneAttempt], workflow_runner=UnsandboxedWorkflowRunner()
    )
    async with engine, workers.task_worker(temporal, settings, bench.tasks, workflows.task_queue, tuner):
        before = [await start(temporal, bench, "local") for _ in range(1)]
        await eventually(lambda: len(Local.running) == 1)
        watched = await asyncio.gather(*(start(temporal, bench, "elsewhere") for _ in range(WATCHED)))
        await eventually(lambda: len(Elsewhere.running) == WATCHED)
        after = [await start(temporal, bench, "local") for _ in range(8)]
        await eventually(lambda: len(Local.running) == MAX_TASKS)

        Local.gate.set()
        results = await bounded(asyncio.gather(*(handle.result() for handle in [*before, *after])))

        assert len(Elsewhere.running) == WATCHED  # They were watched all the time.
        assert all(result.WhichOneof("outcome") == "outputs" for result in results)
        assert Local.most == MAX_TASKS

        Elsewhere.gate.set()
        results = await bounded(asyncio.gather(*(handle.result() for handle in watched)))
        assert all(result.WhichOneof("outcome") == "outputs" for result in results)
    assert Elsewhere.most == WATCHED
