"""Many sleeping nodes share timers, and start, wake and stop a few at a time."""

import asyncio
from collections import Counter

from flyteidl.core import execution_pb2 as core_execution_pb2
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.execution import ExecutionWorkflow
from flytetemporal.workflows.throttling.shared_timers import OWN_TIMERS
from flytetemporal.workflows.throttling.workflow_task_budget import STEPS
from tests.fixtures.engine_runs import EngineRuns, NodePhase, body, constant, int_map, task_node, task_summary
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import boom
from tests.integration.workflows.test_aborts import for_ever, waits_for
from tests.integration.workflows.test_continuation import reported_twice

TaskPhase = core_execution_pb2.TaskExecution
MANY = 4 * OWN_TIMERS
VERY_MANY = 6 * STEPS


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
    assert await timers(handle) < 2 * OWN_TIMERS


async def test_an_abort_wakes_many_sleepers(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(sleepers(MANY, 600_000), int_map())
        await bounded(waits_for(handle, f"n{MANY - 1}", "timer"))
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    assert runs.phases()[f"n{MANY - 1}"][-1] == "ABORTED"


def most_at_once(runs: EngineRuns, phase: core_execution_pb2.NodeExecution.Phase) -> int:
    """Return the largest number of nodes that reported a phase in one workflow task and so at the same time."""
    moments = Counter(event.occurred_at.ToNanoseconds() for event in runs.node_events if event.phase == phase)
    return max(moments.values())


async def test_a_crowd_begins_and_wakes_a_few_nodes_at_a_time(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(sleepers(VERY_MANY, 2_000), int_map())
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert Counter(phases[-1] for phases in runs.phases().values()) == {"SUCCEEDED": VERY_MANY + 2}
    # The budget can be renewed twice in one workflow task.
    assert most_at_once(runs, NodePhase.QUEUED) <= 2 * STEPS
    assert most_at_once(runs, NodePhase.SUCCEEDED) <= 2 * STEPS


async def test_an_abort_stops_a_crowd_a_few_nodes_at_a_time(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(sleepers(VERY_MANY, 600_000), int_map())
        await bounded(waits_for(handle, f"n{VERY_MANY - 1}", "timer"))
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    assert Counter(phases[-1] for node, phases in runs.phases().items() if node.startswith("n")) == {
        "ABORTED": VERY_MANY
    }
    assert most_at_once(runs, NodePhase.ABORTED) <= 2 * STEPS


async def test_a_crowd_sleeps_on_in_the_next_run(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.history_events = 60

    async with runs.workers():
        handle = await runs.start(sleepers(VERY_MANY, 5_000), int_map())
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    assert len(found) > 1
    assert reported_twice(runs) == []
    assert Counter(phases[-1] for phases in runs.phases().values()) == {"SUCCEEDED": VERY_MANY + 2}


async def test_nodes_that_are_parked_keep_their_slots(engine_runs: EngineRuns) -> None:
    runs, limit = engine_runs, 2 * OWN_TIMERS

    async with runs.workers():
        handle = await runs.start(sleepers(2 * limit, 500), int_map(), max_parallelism=limit)
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    running = most = 0
    for event in runs.node_events:
        running += (event.phase == NodePhase.RUNNING) - (
            event.phase == NodePhase.SUCCEEDED and event.id.node_id[0] == "n"
        )
        most = max(most, running)
    assert most == limit


async def test_a_failure_stops_nodes_that_are_parked(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["failing"] = boom
    graph = sleepers(MANY, 600_000)
    graph.tasks.append(task_summary())
    failing = task_node("failing", [0], [constant("a", 1)], task=1)
    graph.workflows[0].nodes.append(failing)

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        phase = await runs.wait(handle)

    assert phase == "FAILED"
    ends = Counter(phases[-1] for node, phases in runs.phases().items() if node[0] == "n")
    assert ends == {"ABORTED": MANY}
    assert Counter(event.phase for event in runs.task_events)[TaskPhase.ABORTED] == MANY


async def idle(handle: WorkflowHandle[ExecutionWorkflow, execution_pb2.ExecutionOutcome]) -> None:
    """Return when the run is idle: no workflow task and no activity is pending."""
    while True:
        description = (await handle.describe()).raw_description
        if not description.HasField("pending_workflow_task") and not description.pending_activities:
            return
        await asyncio.sleep(0.05)


async def timers_fired(handle: WorkflowHandle[ExecutionWorkflow, execution_pb2.ExecutionOutcome]) -> None:
    """Return when no timer runs any more."""
    while True:
        kinds = Counter(event.event_type for event in (await handle.fetch_history()).events)
        over = kinds[EventType.EVENT_TYPE_TIMER_FIRED] + kinds[EventType.EVENT_TYPE_TIMER_CANCELED]
        if over == kinds[EventType.EVENT_TYPE_TIMER_STARTED]:
            return
        await asyncio.sleep(0.05)


def task_phases(runs: EngineRuns) -> list[list[str]]:
    phases: dict[str, list[str]] = {}
    for event in runs.task_events:
        phases.setdefault(event.parent_node_execution_id.node_id, []).append(TaskPhase.Phase.Name(event.phase))
    return list(phases.values())


def sleepers_at_every_depth(count: int, milliseconds: int, depth: int) -> graph_pb2.Graph:
    """Each level has ``count`` sleeping nodes and, except the last, a subworkflow."""
    graph = sleepers(count, milliseconds)
    graph.workflows.extend([graph.workflows[0]] * (depth - 1))
    for number, level in enumerate(graph.workflows[:-1], start=1):
        level.nodes.add(id="b", upstream=[0], subworkflow=graph_pb2.SubworkflowNode(workflow=number))
    return graph


async def test_an_abort_that_comes_as_sleepers_wake_reaches_them(engine_runs: EngineRuns) -> None:
    # An abort goes from level to level while nodes wake: at some depth it arrives between a node's wake and its start.
    runs, depth, each = engine_runs, 5, OWN_TIMERS

    async with runs.workers():
        handle = await runs.start(sleepers_at_every_depth(each, 3_000, depth), int_map())
        await bounded(waits_for(handle, f"n{each - 1}", "timer"))
        await idle(handle)
    await handle.cancel()
    await timers_fired(handle)
    async with runs.workers():  # Both reach the run in one workflow task.
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    ends = Counter(phases[-1] for phases in task_phases(runs))
    assert ends["ABORTED"] + ends["SUCCEEDED"] == depth * each, ends


async def test_an_abort_reaches_sleepers_that_wake_while_the_run_is_about_to_end(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.history_events = 30
    runs.scripts["busy"] = for_ever
    graph = sleepers(MANY, 2_000)
    graph.tasks.append(task_summary())
    graph.workflows[0].nodes.append(task_node("busy", [0], [constant("a", 1)], task=1))

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        await bounded(waits_for(handle, f"n{MANY - 1}", "engine"))
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    ends = Counter(phases[-1] for node, phases in runs.phases().items() if node[0] == "n")
    assert ends["ABORTED"] + ends["SUCCEEDED"] == MANY, ends
    reported = Counter(event.phase for event in runs.task_events if event.parent_node_execution_id.node_id != "busy")
    assert reported[TaskPhase.ABORTED] == ends["ABORTED"]
