"""A workflow task that takes long is no deadlock: a crowded machine is slow."""

import time
import uuid

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout

# Longer than the SDK's own 2 s.
SECONDS = 2.5


@workflow.defn(sandboxed=False)
class Slow:
    @workflow.run
    async def run(self) -> None:
        time.sleep(SECONDS)  # noqa: ASYNC251  what a crowded machine does


async def test_a_workflow_task_may_take_longer_than_the_sdk_allows(temporal: Client) -> None:
    queue = uuid.uuid4().hex
    worker = Worker(temporal, task_queue=queue, workflows=[Slow], workflow_runner=UnsandboxedWorkflowRunner())

    async with set_deadlock_timeout(worker):
        handle = await temporal.start_workflow(Slow.run, id=queue, task_queue=queue)
        await handle.result()

    history = await handle.fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
