"""Events that come to a worker with a query, before a workflow task has handled them; a real Temporal server."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta

from temporalio import workflow
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import PollActivityTaskQueueRequest, RespondActivityTaskCompletedRequest
from temporalio.client import Client
from temporalio.worker import Replayer, Worker

from flytetemporal.cli.wiring.workflow_runner import WorkflowRunner

# Queries and workflow task wait for the same worker; which one it gets first is up to the server.
RUNS = 4
QUERIES = 4
QUERY_TIMEOUT = timedelta(seconds=5)


@workflow.defn(sandboxed=False)
class Paced:
    """Starts a timer if the result of its activity is later than its start, which a replay always finds."""

    def __init__(self) -> None:
        self._finished = False

    @workflow.run
    async def run(self, activity_queue: str) -> None:
        """Return after the signal."""
        started = workflow.now()
        await workflow.execute_activity(
            "outside", task_queue=activity_queue, start_to_close_timeout=timedelta(minutes=2)
        )
        if workflow.now() > started:
            await workflow.sleep(0.01)
        await workflow.wait_condition(lambda: self._finished)

    @workflow.signal
    def finish(self) -> None:
        """End the run."""
        self._finished = True

    @workflow.query
    def finished(self) -> bool:
        """Return whether the signal has come."""
        return self._finished


@contextlib.asynccontextmanager
async def worker(client: Client, queue: str) -> AsyncIterator[None]:
    async with Worker(client, task_queue=queue, workflows=[Paced], unsandboxed_workflow_runner=WorkflowRunner()):
        yield


async def taken(client: Client, queue: str) -> bytes:
    """Take a task of the queue of activities and return its token."""
    request = PollActivityTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), identity="outside"
    )
    while True:
        task = await client.workflow_service.poll_activity_task_queue(request)
        if task.task_token:
            return task.task_token


async def test_a_query_does_not_run_ahead_of_the_workflow_task(temporal: Client) -> None:
    for _ in range(RUNS):
        queue = f"paced-{secrets.token_hex(4)}"
        async with worker(temporal, queue):
            handle = await temporal.start_workflow(Paced.run, f"{queue}-activities", id=queue, task_queue=queue)
            token = await taken(temporal, f"{queue}-activities")
            await handle.query(Paced.finished)  # The first workflow task has been completed.
        queries = [asyncio.create_task(handle.query(Paced.finished, rpc_timeout=QUERY_TIMEOUT)) for _ in range(QUERIES)]
        await asyncio.sleep(1)  # Nothing shows that the queries have reached the server and wait there.
        await temporal.workflow_service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(namespace=temporal.namespace, task_token=token, identity="outside")
        )
        async with worker(temporal, queue):
            # One that came with the result fails, and those that wait behind it time out.
            await asyncio.gather(*queries, return_exceptions=True)
            await handle.signal(Paced.finish)
            await handle.result()

        await Replayer(workflows=[Paced]).replay_workflow(await handle.fetch_history())
