"""Bare Temporal workflows that do the same work, for comparison."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import execution_pb2

QUEUE = "bench-bare"
TASK_QUEUE = "bench-bare-tasks"
TIMEOUT = timedelta(minutes=10)


@workflow.defn(sandboxed=False)
class BareTimers:
    """A workflow that starts timers one after the other, or all at once."""

    @workflow.run
    async def run(self, count: int, seconds: float, parallel: bool) -> None:
        if parallel:
            await asyncio.gather(*(asyncio.sleep(seconds) for _ in range(count)))
            return
        for _ in range(count):
            await asyncio.sleep(seconds)


@workflow.defn(sandboxed=False)
class BareTasks:
    """A workflow that runs task attempts one after the other, or all at once."""

    @workflow.run
    async def run(self, attempt: execution_pb2.TaskAttempt, count: int, parallel: bool) -> None:
        if parallel:
            await asyncio.gather(*(self._task(attempt, number) for number in range(count)))
            return
        for number in range(count):
            await self._task(attempt, number)

    async def _task(self, template: execution_pb2.TaskAttempt, number: int) -> None:
        attempt = execution_pb2.TaskAttempt()
        attempt.CopyFrom(template)
        name = f"{workflow.info().workflow_id}-{number}"
        attempt.generated_name = name
        for field in ("data_dir", "output_dir", "raw_output_dir"):
            setattr(attempt, field, f"{getattr(template, field)}/{name}")
        await workflow.execute_activity(
            activities.run_task, attempt, start_to_close_timeout=TIMEOUT, task_queue=TASK_QUEUE
        )


@activity.defn
async def add(number: int) -> int:
    """Return the next number."""
    return number + 1


@workflow.defn(sandboxed=False)
class BareLocal:
    """A workflow that runs local activities one after the other."""

    @workflow.run
    async def run(self, count: int) -> None:
        number = 0
        for _ in range(count):
            number = await workflow.execute_local_activity(add, number, start_to_close_timeout=TIMEOUT)


@workflow.defn(sandboxed=False)
class BareNothing:
    """A workflow without any command."""

    @workflow.run
    async def run(self) -> None: ...


class Bare:
    """A client that runs bare workflows on the same Temporal server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def median(self, kind: Callable[..., Any], *arguments: Any, repeat: int = 3) -> float:
        """Return the median seconds of ``repeat`` runs of a workflow after one warm-up run."""
        await self.once(kind, *arguments)
        return statistics.median([await self.once(kind, *arguments) for _ in range(repeat)])

    async def once(self, kind: Callable[..., Any], *arguments: Any) -> float:
        """Run a workflow to its end; return the seconds."""
        started = time.perf_counter()
        name = f"bare-{uuid.uuid4().hex}"
        await self._client.execute_workflow(kind, args=arguments, id=name, task_queue=QUEUE)
        return time.perf_counter() - started

    async def all_at_once(self, kind: Callable[..., Any], count: int) -> float:
        """Return the seconds until ``count`` workflows started together have ended."""
        started = time.perf_counter()
        await asyncio.gather(*(self.once(kind) for _ in range(count)))
        return time.perf_counter() - started


@asynccontextmanager
async def workers(client: Client, tasks: Sequence[Callable[..., Any]], max_tasks: int) -> AsyncIterator[Bare]:
    """Run workers for the bare workflows; ``tasks`` are the activities that run a task."""
    async with (
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[BareTimers, BareTasks, BareLocal, BareNothing],
            activities=[add],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(client, task_queue=TASK_QUEUE, activities=tasks, max_concurrent_activities=max_tasks),
    ):
        yield Bare(client)
