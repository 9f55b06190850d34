"""The workflow of a backfill on a real Temporal server: it advances when an execution ends, and when it is told to."""

import asyncio
import uuid

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from google.protobuf import timestamp_pb2
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.admin.base.backfill_workflows import BackfillWorkflows
from flytetemporal.cli.wiring.deadlock_timeout import set_deadlock_timeout
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import backfills_pb2, execution_pb2, graph_pb2
from flytetemporal.workflows.control import backfill as module
from flytetemporal.workflows.control.backfill import BackfillWorkflow
from tests.fixtures.engine_runs import EngineRuns, bind, body, constant, int_map, task_node, task_summary
from tests.fixtures.waiting import HANG_SECONDS
from tests.integration.workflows.conftest import record


class Steps:
    """The steps of a backfill of three times: each one but the first follows the end of an execution."""

    def __init__(self) -> None:
        self.number = 0

    @activity.defn
    async def advance_backfill(self, identifier: backfills_pb2.BackfillId) -> backfills_pb2.Backfill:
        self.number += 1
        done = self.number - 1
        found = backfills_pb2.Backfill(
            id=identifier,
            counts=backfills_pb2.BackfillCounts(total=3, succeeded=done, running=min(1, 3 - done)),
        )
        if done == 3:
            found.state = backfills_pb2.Backfill.SUCCEEDED
            found.ended_at.CopyFrom(timestamp_pb2.Timestamp(seconds=1))
        return found


def worker(client: Client, queue: str, steps: Steps) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[BackfillWorkflow],
        activities=[steps.advance_backfill],
        workflow_runner=UnsandboxedWorkflowRunner(),
    )


def backfill() -> backfills_pb2.Backfill:
    return backfills_pb2.Backfill(
        id=backfills_pb2.BackfillId(project="p", domain="d", name=uuid.uuid4().hex),
        counts=backfills_pb2.BackfillCounts(total=3),
    )


async def until(steps: Steps, number: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while steps.number < number:  # noqa: ASYNC110  the activity only counts
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("events", [2000, 5])
async def test_a_backfill_advances_with_each_execution_that_ends(
    temporal: Client, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, events: int
) -> None:
    queue, steps, found = uuid.uuid4().hex, Steps(), backfill()
    monkeypatch.setattr(workflows, "CONTROL_QUEUE", queue)
    monkeypatch.setattr(module, "EVENTS", events)
    # The look by itself would hide a notification that is lost.
    monkeypatch.setattr(module, "POLL", module.POLL * 1000)
    handle = temporal.get_workflow_handle(workflows.backfill_workflow_id(found.id), result_type=backfills_pb2.Backfill)
    async with set_deadlock_timeout(worker(temporal, queue, steps)):
        await BackfillWorkflows(temporal).wake(found, is_changed=False)
        await until(steps, 1)
        for number in (2, 3):
            state = execution_pb2.ChildState(
                outcome=execution_pb2.ExecutionOutcome(phase=core_execution_pb2.WorkflowExecution.SUCCEEDED)
            )
            await handle.signal(workflows.CHILD_ENDED, state)
            await until(steps, number)
        await BackfillWorkflows(temporal).wake(found, is_changed=True)
        async with asyncio.timeout(HANG_SECONDS):
            ended = await handle.result()
    description = await handle.describe()
    if request.config.getoption("--record-histories") and events == 2000:  # The others end where no replay would.
        first = temporal.get_workflow_handle(
            handle.id, run_id=description.raw_description.workflow_execution_info.first_run_id
        )
        record(request, "0", await first.fetch_history())

    assert (steps.number, ended.state) == (4, backfills_pb2.Backfill.SUCCEEDED)
    assert ended.counts.succeeded == 3
    assert (await description.memo())["times"] == 3
    first_run = description.raw_description.workflow_execution_info.first_run_id
    assert (first_run == description.run_id) == (events == 2000)


async def test_an_execution_notifies_the_backfill_that_has_launched_it(
    temporal: Client, monkeypatch: pytest.MonkeyPatch, engine_runs: EngineRuns
) -> None:
    queue, steps, found = uuid.uuid4().hex, Steps(), backfill()
    monkeypatch.setattr(workflows, "CONTROL_QUEUE", queue)
    monkeypatch.setattr(module, "POLL", module.POLL * 1000)
    workflow_id = workflows.backfill_workflow_id(found.id)
    graph = graph_pb2.Graph(
        workflows=[body([task_node("n0", [0], [constant("a", 1)])], [bind("o0", "n0", "o0")])], tasks=[task_summary()]
    )
    async with set_deadlock_timeout(worker(temporal, queue, steps)), engine_runs.workers():
        await BackfillWorkflows(temporal).wake(found, is_changed=False)
        for number in (1, 2, 3):
            await until(steps, number)
            execution_id = identifier_pb2.WorkflowExecutionIdentifier(
                project="p", domain="d", name=f"a{uuid.uuid4().hex[:19]}"
            )
            argument = engine_runs.argument(graph, int_map(), execution_id)
            argument.launched_by = workflow_id
            await engine_runs.wait(await engine_runs._begin(argument))
        async with asyncio.timeout(HANG_SECONDS):
            await temporal.get_workflow_handle(workflow_id).result()

    assert steps.number == 4


async def test_a_backfill_that_is_not_notified_looks_by_itself(
    temporal: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, steps, found = uuid.uuid4().hex, Steps(), backfill()
    monkeypatch.setattr(workflows, "CONTROL_QUEUE", queue)
    monkeypatch.setattr(module, "POLL", module.POLL / 1000)
    async with set_deadlock_timeout(worker(temporal, queue, steps)):
        await BackfillWorkflows(temporal).wake(found, is_changed=False)
        handle = temporal.get_workflow_handle(workflows.backfill_workflow_id(found.id))
        async with asyncio.timeout(HANG_SECONDS):
            await handle.result()

    assert steps.number == 4


async def test_a_workflow_that_runs_is_not_started_again(temporal: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    queue, found = uuid.uuid4().hex, backfill()
    monkeypatch.setattr(workflows, "CONTROL_QUEUE", queue)
    doors = BackfillWorkflows(temporal)
    handle = temporal.get_workflow_handle(workflows.backfill_workflow_id(found.id))

    await doors.wake(found, is_changed=False)
    first = await handle.describe()
    await doors.wake(found, is_changed=False)
    await doors.wake(found, is_changed=True)
    assert (await handle.describe()).run_id == first.run_id

    await handle.terminate()  # As an operator can in Temporal's UI.
    await doors.wake(found, is_changed=False)
    assert (await handle.describe()).run_id != first.run_id
    await handle.terminate()
