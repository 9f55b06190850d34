"""Many nodes that sleep share timers."""

import asyncio

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.alarms import FEW
from flytetemporal.workflows.execution import ExecutionWorkflow
from tests.fixtures.engine_runs import EngineRuns, body, constant, int_map, task_node, task_summary
from tests.integration.workflows.test_aborts import waits_for

MANY = 4 * FEW


def sleepers(count: int, milliseconds: int) -> graph_pb2.Graph:
    summary = task_summary(kind="core-sleep")
    summary.input_names[:] = ["duration"]
    duration = constant("duration", 0)
    duration.binding.scalar.primitive.duration.FromMilliseconds(milliseconds)
    return graph_pb2.Graph(
        workflows=[body([task_node(f"n{i}", [0], [duration]) for i in range(count)], [])], tasks=[summary]
    )


async def timers(handle: WorkflowHandle[ExecutionWorkflow, execution_pb2.ExecutionOutcome]) -> int:
    history = await handle.fetch_history()
    return sum(event.event_type == EventType.EVENT_TYPE_TIMER_STARTED for event in history.events)


async def test_many_sleepers_share_timers(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(sleepers(MANY, 300), int_map())
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert all(phases[-1] == "SUCCEEDED" for phases in runs.phases().values())
    assert await timers(handle) < 2 * FEW


async def test_an_abort_wakes_many_sleepers(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(sleepers(MANY, 600_000), int_map())
        await asyncio.wait_for(waits_for(handle, f"n{MANY - 1}", "timer"), 20)
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    assert runs.phases()[f"n{MANY - 1}"][-1] == "ABORTED"
