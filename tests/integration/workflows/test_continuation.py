"""An execution whose history has grown long continues in a new run, and clients do not notice."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from flyteidl.core import workflow_pb2
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.idl import naming
from flytetemporal.workflows import continuation, run_state
from tests.fixtures.engine_runs import (
    EngineRuns,
    NodePhase,
    bind,
    body,
    constant,
    failed,
    int_map,
    integer,
    plus_one,
    task_node,
    task_summary,
)
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import (
    approve_node,
    boom,
    chain,
    signal_node,
    sleep_node,
    with_failure_node,
)
from tests.integration.workflows.test_aborts import Handle, attempts, for_ever, waits_for

LIMIT = 30
LENGTH = 30


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    engine_runs.history_events = LIMIT
    return engine_runs


def reported_twice(runs: EngineRuns) -> list[tuple[str, str, str]]:
    """Return the phases of nodes that were reported more than once, by execution and node."""
    phases = Counter(
        (event.id.execution_id.name, event.id.node_id, NodePhase.Phase.Name(event.phase)) for event in runs.node_events
    )
    return [phase for phase, times in phases.items() if times > 1]


async def test_a_long_chain_runs_in_many_short_histories(runs: EngineRuns) -> None:
    async with runs.workers():
        handle = await runs.start(chain(LENGTH), int_map(a=0))
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=LENGTH)
    assert len(runs.attempts) == LENGTH
    assert reported_twice(runs) == []
    assert runs.workflow_phases(handle) == ["RUNNING", "SUCCEEDING", "SUCCEEDED"]
    assert len(found) > 3
    assert max(len(history.events) for history in found) < 2 * LIMIT
    assert {history.events[-1].event_type for history in found[:-1]} == {
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    }


async def test_many_nodes_at_once_wait_for_the_next_run(runs: EngineRuns) -> None:
    nodes = [task_node(f"n{i}", [0], [bind("a", "start-node", "a")]) for i in range(200)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n0", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=7), max_parallelism=5)
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    assert len(runs.attempts) == 200
    assert reported_twice(runs) == []
    assert len(found) > 3


@dataclass(frozen=True)
class Waiting:
    """A node that waits until it is released, while a chain of tasks next to it makes the run continue as new."""

    node: graph_pb2.Node
    cause: str
    release: Callable[[EngineRuns, Handle], Awaitable[None]]
    prepare: Callable[[EngineRuns], None] = lambda _: None
    settings: execution_pb2.ExecutionSettings | None = None
    kind: str = "python-task"
    attempts: int = 0
    more: list[graph_pb2.WorkflowGraph] = field(default_factory=list)


async def time_passes(_: EngineRuns, __: Handle) -> None:
    """Do nothing: the wait ends by itself."""


async def set_number(runs: EngineRuns, handle: Handle) -> None:
    await runs.set_signal(handle, "number", integer(3))


async def approve(runs: EngineRuns, handle: Handle) -> None:
    yes = integer(0)
    yes.scalar.primitive.boolean = True
    await runs.set_signal(handle, "go", yes)


async def release_child(runs: EngineRuns, _: Handle) -> None:
    await runs.set_signal(runs.handles[1], "number", integer(3))


def child_waits(runs: EngineRuns) -> None:
    gate = signal_node("c0", [0])
    runs.children["child"] = graph_pb2.Graph(workflows=[body([gate], [bind("o0", "c0", "o0")])], tasks=[task_summary()])


def returns_a_gate(runs: EngineRuns) -> None:
    async def dynamic(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return execution_pb2.TaskAttemptResult(dynamic=True)

    runs.scripts["w"] = dynamic
    inner = [signal_node("dn0", [0]), task_node("dn1", [2], [bind("a", "dn0", "o0")])]
    runs.dynamic["w"] = graph_pb2.Graph(
        workflows=[body(inner, [bind("o0", "dn1", "o0")], name="dynamic")], tasks=[task_summary("inner")]
    )


def fails_once(runs: EngineRuns) -> None:
    async def script(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await plus_one(attempt) if attempt.attempt else failed("USER:Recoverable", recoverable=True)

    runs.scripts["w"] = script


def branch() -> graph_pb2.Node:
    node = graph_pb2.Node(id="w", upstream=[0])
    node.branch.else_node.CopyFrom(signal_node("chosen", []))
    return node


def retried() -> graph_pb2.Node:
    node = task_node("w", [0], [constant("a", 2)])
    node.retries = 1
    return node


def sleeper() -> graph_pb2.Node:
    duration = constant("duration", 0)
    duration.binding.scalar.primitive.duration.FromSeconds(3)
    node = task_node("w", [0], [duration])
    node.task.task = 1
    return node


def gate_with_time_out() -> graph_pb2.Node:
    node = signal_node("w", [0])
    node.timeout.FromSeconds(600)
    return node


BACK_OFF = execution_pb2.ExecutionSettings(retry_rules=[execution_pb2.RetryRule(initial_interval={"seconds": 3})])
SUBWORKFLOW = graph_pb2.Node(id="w", upstream=[0], subworkflow=graph_pb2.SubworkflowNode(workflow=1))
LAUNCH = graph_pb2.Node(
    id="w",
    upstream=[0],
    inputs=[constant("a", 1)],
    launch_plan={"name": "child", "project": "p", "domain": "d", "version": "v"},
)
INNER = body(
    [signal_node("s0", [0]), task_node("s1", [2], [bind("a", "s0", "o0")])], [bind("o0", "s1", "o0")], name="inner"
)

WAITING = {
    "signal": Waiting(signal_node("w", [0]), "signal", set_number),
    "signal_with_time_out": Waiting(gate_with_time_out(), "signal", set_number),
    "approval": Waiting(approve_node("w", [0], [constant("o0", 5)]), "signal", approve),
    "sleep": Waiting(sleep_node("w", [0], 3), "timer", time_passes),
    "core_sleep": Waiting(sleeper(), "timer", time_passes, kind="core-sleep"),
    "child": Waiting(LAUNCH, "child", release_child, child_waits),
    "dynamic": Waiting(task_node("w", [0], [constant("a", 1)]), "nested", set_number, returns_a_gate, attempts=2),
    "branch": Waiting(branch(), "nested", set_number),
    "subworkflow": Waiting(SUBWORKFLOW, "nested", set_number, more=[INNER], attempts=1),
    "back_off": Waiting(retried(), "backoff", time_passes, fails_once, BACK_OFF, attempts=2),
}


def beside(case: Waiting) -> graph_pb2.Graph:
    """The waiting node, and a chain of tasks that does not depend on it."""
    graph = chain(LENGTH)
    summary = task_summary("slept", kind="core-sleep")
    summary.input_names[:] = ["duration"]
    pushers = list(graph.workflows[0].nodes)[2:]
    primary = body([*pushers, case.node], [bind("o0", f"n{LENGTH - 1}", "o0")])
    return graph_pb2.Graph(workflows=[primary, *case.more], tasks=[task_summary(), summary])


async def chain_ended(runs: EngineRuns) -> None:
    while "SUCCEEDED" not in runs.phases().get(f"n{LENGTH - 1}", []):  # noqa: ASYNC110  the fixture only appends
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("case", WAITING.values(), ids=WAITING)
async def test_a_node_goes_on_waiting_in_the_next_run(runs: EngineRuns, case: Waiting) -> None:
    case.prepare(runs)

    async with runs.workers():
        handle = await runs.start(beside(case), int_map(a=0), settings=case.settings)
        await bounded(chain_ended(runs))
        await case.release(runs, handle)
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    assert len(found) > 2
    assert reported_twice(runs) == []
    assert runs.phases()["w"][-1] == "SUCCEEDED"
    # A later run does not repeat the requests of an earlier one.
    assert len(runs.attempts) == LENGTH + case.attempts
    assert len(runs.launched) == (case.cause == "child")
    assert len(runs.asked) <= 2


@pytest.mark.parametrize("case", WAITING.values(), ids=WAITING)
async def test_an_abort_reaches_a_node_that_waits_in_a_later_run(runs: EngineRuns, case: Waiting) -> None:
    case.prepare(runs)
    graph = beside(case)
    graph.workflows[0].nodes[-2].inputs[0].CopyFrom(constant("a", 0))  # The last node of the chain never starts.

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=0), settings=case.settings)
        await bounded(waits_for(handle, "w", case.cause))
        while len(await runs.histories(handle)) < 2:  # noqa: ASYNC110  Temporal has no notification
            await asyncio.sleep(0.02)
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    assert runs.phases()["w"][-1] == "ABORTED"
    assert {phases[-1] for phases in runs.phases().values()} <= {"SUCCEEDED", "ABORTED", "SKIPPED"}
    assert len(runs.terminated) == (case.cause == "child")


async def test_failures_of_earlier_runs_are_remembered(runs: EngineRuns) -> None:
    runs.scripts["n0"] = boom
    first = task_node("n0", [0], [constant("a", 1)])
    spoiled = task_node("n1", [2], [constant("a", 1)])
    chained = [
        task_node(f"c{i}", [i + 3 if i else 0], [bind("a", f"c{i - 1}" if i else "start-node", "o0" if i else "a")])
        for i in range(LENGTH)
    ]
    graph = graph_pb2.Graph(workflows=[body([first, spoiled, *chained], [])], tasks=[task_summary()])
    graph.workflows[0].on_failure = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=0))
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "USER:Boom"
    assert len(found) > 2
    assert len(runs.attempts) == LENGTH + 1
    assert runs.phases()["n1"] == ["SKIPPED"]
    assert reported_twice(runs) == []


async def test_a_failure_in_a_later_run_runs_the_failure_node(runs: EngineRuns) -> None:
    runs.scripts[f"n{LENGTH - 1}"] = boom

    async with runs.workers():
        handle = await runs.start(with_failure_node(chain(LENGTH)), int_map(a=0))
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "FAILED"
    assert len(found) > 2
    assert runs.phases()["fn0"][-1] == "SUCCEEDED"


async def test_a_large_state_goes_by_the_store(runs: EngineRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_state, "INLINE_BYTES", 10)
    monkeypatch.setattr(run_state, "PART_BYTES", 100)

    async with runs.workers():
        handle = await runs.start(chain(LENGTH), int_map(a=0))
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=LENGTH)
    assert len(found) > 1


async def test_a_run_that_gets_no_rest_goes_on(runs: EngineRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuation, "DRAIN_TIMEOUT", timedelta(milliseconds=200))
    runs.history_events = 2 * LIMIT
    runs.scripts["w"] = for_ever
    never_rests = Waiting(task_node("w", [0], [constant("a", 1)]), "attempt", time_passes)

    async with runs.workers():
        handle = await runs.start(beside(never_rests), int_map(a=0))
        await attempts(runs, LENGTH // 2)
        found = await runs.histories(handle)
        await handle.cancel()
        phase = await runs.wait(handle)

    assert phase == "ABORTED"
    assert len(found) == 1


async def test_nodes_do_not_wait_long_for_an_admin_that_does_not_answer(
    runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuation, "DRAIN_TIMEOUT", timedelta(milliseconds=200))
    runs.history_events = 2 * LIMIT
    runs.admin_answers.clear()

    async with runs.workers():
        handle = await runs.start(chain(LENGTH), int_map(a=0))
        await bounded(attempts(runs, LENGTH // 2))  # The first attempts fill the history up to the limit.
        reported = list(runs.node_events)
        runs.admin_answers.set()
        phase = await runs.wait(handle)

    assert reported == []
    assert phase == "SUCCEEDED"
    assert reported_twice(runs) == []


async def test_nodes_do_not_wait_long_for_a_store_that_does_not_answer(
    runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(continuation, "DRAIN_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr(run_state, "INLINE_BYTES", 10)
    runs.history_events = 2 * LIMIT
    runs.store_answers.clear()

    async with runs.workers():
        handle = await runs.start(chain(LENGTH), int_map(a=0))
        await bounded(attempts(runs, LENGTH // 2))
        before = await runs.histories(handle)
        runs.store_answers.set()
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert len(before) == 1
    assert any(
        event.activity_task_scheduled_event_attributes.activity_type.name == "store_state" for event in before[0].events
    )
    assert phase == "SUCCEEDED"
    assert len(found) > 1
    assert reported_twice(runs) == []


async def test_a_run_schedules_nothing_as_it_ends(runs: EngineRuns) -> None:
    async with runs.workers():
        handle = await runs.start(chain(LENGTH), int_map(a=0))
        await runs.wait(handle)
        found = await runs.histories(handle)

    assert len(found) > 3
    for history in found[:-1]:
        completed = max(
            position
            for position, event in enumerate(history.events)
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        )
        kinds = {event.event_type for event in history.events[completed:]}
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in kinds
        assert EventType.EVENT_TYPE_TIMER_STARTED not in kinds


def end_of_life(history: WorkflowHistory) -> datetime:
    """Return the time at which the first timer of a run fires, in workflow time."""
    (timer, *_) = (event for event in history.events if event.HasField("timer_started_event_attributes"))
    attributes = timer.timer_started_event_attributes
    completed = history.events[attributes.workflow_task_completed_event_id - 1].workflow_task_completed_event_attributes
    now = history.events[completed.started_event_id - 1].event_time.ToDatetime()
    return now + attributes.start_to_fire_timeout.ToTimedelta()


async def test_the_longest_life_counts_from_the_first_run(runs: EngineRuns) -> None:
    settings = execution_pb2.ExecutionSettings(timeout={"seconds": 6})
    case = WAITING["signal"]

    async with runs.workers():
        handle = await runs.start(beside(case), int_map(a=0), settings=settings)
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "ExecutionTimedOut"
    ends = [end_of_life(history) for history in found]
    assert len(ends) > 2
    assert max(ends) - min(ends) < timedelta(milliseconds=10)


async def test_nodes_to_which_flyte_gives_one_id_run_beside_each_other_and_in_later_runs(runs: EngineRuns) -> None:
    now, beside, before, later = (f"the-forecast-of-shop-{number}" for number in (98896, 970000, 98897, 970001))
    value = [constant("a", 1)]
    links = [task_node(f"n{i}", [i + 4], value) for i in range(LENGTH)]
    nodes = [task_node(name, [0], value) for name in (now, beside, before)]
    nodes = [*nodes, *links, task_node(later, [LENGTH + 4], value)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        phase = await runs.wait(handle)
        found = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    assert len(found) > 2
    ids = {event.spec_node_id: event.id.node_id for event in runs.node_events}
    assert (ids[now], ids[before]) == (naming.node_id(now), naming.node_id(before))
    assert (ids[beside], ids[later]) == (naming.node_id(beside, 64), naming.node_id(later, 64))
    assert len(set(ids.values())) == len(ids) == LENGTH + 6
    assert reported_twice(runs) == []
