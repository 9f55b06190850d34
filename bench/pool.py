"""The fastest that a user of Temporal could write: a bare workflow and a worker that runs functions in a process pool.

``python -m bench.pool ADDRESS`` is the worker, a process of its own so that its CPU time can be told from the client's.
"""

import asyncio
import multiprocessing
import os
import sys
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import SharedStateManager, UnsandboxedWorkflowRunner, Worker

QUEUE = "bench-pool"
TIMEOUT = timedelta(minutes=10)
READY = "ready"


@activity.defn
def add(numbers: tuple[int, int]) -> int:
    """Return the sum of two numbers."""
    return numbers[0] + numbers[1]


@workflow.defn(sandboxed=False)
class Additions:
    """A workflow that runs ``count`` additions one after the other, or all at once."""

    @workflow.run
    async def run(self, count: int, parallel: bool) -> None:
        if parallel:
            await asyncio.gather(*(self._add(number) for number in range(count)))
            return
        for number in range(count):
            await self._add(number)

    async def _add(self, number: int) -> None:
        await workflow.execute_activity(add, (number, 1), start_to_close_timeout=TIMEOUT)


async def run(client: Client, count: int, *, parallel: bool) -> None:
    """Run the workflow to its end."""
    await client.execute_workflow(
        Additions.run, args=[count, parallel], id=f"pool-{uuid.uuid4().hex}", task_queue=QUEUE
    )


@asynccontextmanager
async def worker(address: str) -> AsyncIterator[int]:
    """Run the worker as a process; yield its process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.pool", address, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process.pid
    finally:
        await process.communicate(b"")  # It stops at the end of its input.


async def serve(address: str) -> None:
    """Serve the queue until the input ends."""
    client = await Client.connect(address)
    cores = os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context) as executor, context.Manager() as manager:
        async with Worker(
            client,
            task_queue=QUEUE,
            workflows=[Additions],
            activities=[add],
            activity_executor=executor,
            max_concurrent_activities=cores,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            print(READY, flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
