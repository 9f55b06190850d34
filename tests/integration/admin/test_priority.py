"""The priority of an execution orders its tasks among those of others, on a real Temporal server."""

import asyncio
import uuid
from datetime import timedelta

from flyteidl.core import identifier_pb2
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.admin.base.engine import Engine
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import naming
from tests.fixtures.waiting import HANG_SECONDS

URGENT, LATER, EACH = 1, 5, 20


@workflow.defn(name=workflows.EXECUTION_WORKFLOW, sandboxed=False)
class OneTask:
    """Runs one activity, in its second run: an execution that has continued as new keeps its priority."""

    @workflow.run
    async def run(self, argument: execution_pb2.ExecutionInput) -> None:
        if not argument.distinct_names:
            argument.distinct_names = True
            workflow.continue_as_new(argument)
        queue = workflows.engine_queue(argument.settings.cluster) + "-tasks"
        await workflow.execute_activity(
            "note", str(argument.settings.priority), task_queue=queue, start_to_close_timeout=timedelta(minutes=5)
        )


async def test_a_worker_takes_the_tasks_of_urgent_executions_first(temporal: Client) -> None:
    cluster, taken = uuid.uuid4().hex[:8], list[str]()

    @activity.defn
    async def note(priority: str) -> None:
        taken.append(priority)

    engine = Engine(temporal, cluster)
    queue = workflows.engine_queue(cluster)
    worker = Worker(temporal, task_queue=queue, workflows=[OneTask], workflow_runner=UnsandboxedWorkflowRunner())
    async with asyncio.timeout(HANG_SECONDS), set_deadlock_timeout(worker):
        # Those that can wait come first.
        started = [await start(engine, cluster, priority) for priority in [LATER] * EACH + [URGENT] * EACH]
        for execution_id in started:
            while not await engine.pending_activities(execution_id):  # noqa: ASYNC110  a poll
                await asyncio.sleep(0.05)
        async with Worker(temporal, task_queue=f"{queue}-tasks", activities=[note], max_concurrent_activities=1):
            for execution_id in started:
                await temporal.get_workflow_handle(naming.temporal_workflow_id(execution_id)).result()

    places = {
        priority: [at for at, found in enumerate(taken) if found == str(priority)] for priority in (URGENT, LATER)
    }
    # Each partition of the task queue has its own order, so single tasks can be out of place.
    assert sum(places[URGENT]) < sum(places[LATER])
    assert len(taken) == 2 * EACH


async def start(engine: Engine, cluster: str, priority: int) -> identifier_pb2.WorkflowExecutionIdentifier:
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name=f"a{uuid.uuid4().hex[:19]}")
    settings = execution_pb2.ExecutionSettings(cluster=cluster, priority=priority)
    await engine.start(execution_pb2.ExecutionInput(execution_id=execution_id, settings=settings))
    return execution_id
