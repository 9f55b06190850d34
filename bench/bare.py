"""Bare Temporal workflows that do the same work: the yardstick of every ratio."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

QUEUE = "bench-bare"
TIMEOUT = timedelta(minutes=10)


@workflow.defn(sandboxed=False)
class BareTimers:
    """Timers one after the other, or all at once."""

    @workflow.run
    async def run(self, count: int, seconds: float, parallel: bool) -> None:
        if parallel:
            await asyncio.gather(*(asyncio.sleep(seconds) for _ in range(count)))
            return
        for _ in range(count):
            await asyncio.sleep(seconds)


@workflow.defn(sandboxed=False)
class BareTasks:
    """The activity that runs a task's process, one after the other, or all at once."""

    @workflow.run
    async def run(self, count: int, parallel: bool) -> None:
        if parallel:
            await asyncio.gather(*(self._task(number) for number in range(count)))
            return
        for number in range(count):
            await self._task(number)

    async def _task(self, number: int) -> None:
        await workflow.execute_activity(
            "bare_task", number, start_to_close_timeout=TIMEOUT, task_queue=f"{QUEUE}-tasks"
        )


@workflow.defn(sandboxed=False)
class BareNothing:
    """A workflow without a single command."""

    @workflow.run
    async def run(self) -> None: ...


class Bare:
    """A client with its own workers on the same server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def median(self, kind: Callable[..., Awaitable[None]], *arguments: object, repeat: int = 3) -> float:
        """Return the median seconds of ``repeat`` runs of a workflow after one that does not count."""
        await self.once(kind, *arguments)
        return statistics.median([await self.once(kind, *arguments) for _ in range(repeat)])

    async def once(self, kind: Callable[..., Awaitable[None]], *arguments: object) -> float:
        """Run one workflow to its end; return seconds."""
        started = time.perf_counter()
        await self._client.execute_workflow(kind, args=arguments, id=f"bare-{uuid.uuid4().hex}", task_queue=QUEUE)
        return time.perf_counter() - started

    async def swarm(self, kind: Callable[..., Awaitable[None]], count: int) -> float:
        """Return the seconds until ``count`` workflows started together have ended."""
        started = time.perf_counter()
        await asyncio.gather(*(self.once(kind) for _ in range(count)))
        return time.perf_counter() - started


@asynccontextmanager
async def workers(client: Client, run_task: Callable[[int], Awaitable[None]], max_tasks: int) -> AsyncIterator[Bare]:
    """Serve the bare workflows; ``run_task`` is what their activity does."""

    @activity.defn
    async def bare_task(number: int) -> None:
        await run_task(number)

    async with (
        Worker(
            client,
            task_queue=QUEUE,
            workflows=[BareTimers, BareTasks, BareNothing],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ),
        Worker(client, task_queue=f"{QUEUE}-tasks", activities=[bare_task], max_concurrent_activities=max_tasks),
    ):
        yield Bare(client)
