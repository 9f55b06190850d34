"""A slow workflow task is no deadlock: machines can be busy."""

import time
import uuid

from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout

# Longer than the SDK's default, 2 s.
SECONDS = 2.5


@workflow.defn(sandboxed=False)
class Slow:
    @workflow.run
    async def run(self) -> None:
        time.sleep(SECONDS)  # noqa: ASYNC251  as on a busy machine


async def test_a_workflow_task_can_take_longer_than_the_default_deadlock_timeout(temporal: Client) -> None:
    queue = uuid.uuid4().hex
    worker = Worker(temporal, task_queue=queue, workflows=[Slow], workflow_runner=UnsandboxedWorkflowRunner())

    async with set_deadlock_timeout(worker):
        handle = await temporal.start_workflow(Slow.run, id=queue, task_queue=queue)
        await handle.result()

    history = await handle.fetch_history()
    assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history.events)
