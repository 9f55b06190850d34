"""An abort ends a run at every stage, and every node that has started is reported as aborted."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import pytest
from temporalio.client import WorkflowHandle

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.execution import ExecutionWorkflow
from flytetemporal.workflows.reports.event_pump import LONGEST_LINGER
from tests.fixtures.engine_runs import (
    EngineRuns,
    WorkflowPhase,
    constant,
    failed,
    int_map,
    succeeded,
    task_node,
    task_summary,
)
from tests.fixtures.engine_runs import body as workflow_body
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import (
    boom,
    chain,
    nested,
    signal_node,
    single,
    sleep_node,
    with_failure_node,
)

Handle = WorkflowHandle[ExecutionWorkflow, execution_pb2.ExecutionOutcome]


async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    await asyncio.sleep(60)
    return succeeded(o0=0)


async def slow_to_stop(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    """When stopped, clean up for longer than the pump collects events."""
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(3 * LONGEST_LINGER.total_seconds())
    return succeeded(o0=0)


async def recoverable(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return failed("USER:Recoverable", recoverable=True)


def retried() -> graph_pb2.Graph:
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 3
    return graph


def failing_beside_a_slow_one() -> graph_pb2.Graph:
    nodes = [task_node("n0", [0], [constant("a", 1)]), task_node("n1", [0], [constant("a", 1)])]
    return with_failure_node(graph_pb2.Graph(workflows=[workflow_body(nodes, [])], tasks=[task_summary()]))


BACK_OFF = execution_pb2.ExecutionSettings(retry_rules=[execution_pb2.RetryRule(initial_interval={"seconds": 60})])


async def waits_for(handle: Handle, node_id: str, cause: str) -> None:
    while True:
        answer = await handle.query(ExecutionWorkflow.waits, node_id)
        if [wait.WhichOneof("cause") for wait in answer.waits] == [cause]:
            return
        await asyncio.sleep(0.05)


async def attempts(runs: EngineRuns, count: int) -> None:
    while len(runs.attempts) < count:  # noqa: ASYNC110  the fixture's activity only appends
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Stage:
    """A stage of a run: the abort follows once ``reached`` returns. ``phases`` are the last phases of its nodes."""

    graph: graph_pb2.Graph
    scripts: dict[str, Callable[[execution_pb2.TaskAttempt], Awaitable[execution_pb2.TaskAttemptResult]]]
    reached: Callable[[EngineRuns, Handle], Awaitable[None]]
    phases: dict[str, str]
    settings: execution_pb2.ExecutionSettings | None = None


STAGES = {
    "running": Stage(
        chain(2), {"n0": for_ever}, lambda runs, _: attempts(runs, 1), {"n0": "ABORTED", "start-node": "SUCCEEDED"}
    ),
    "in_a_subworkflow": Stage(
        nested(), {"n0": for_ever}, lambda runs, _: attempts(runs, 1), {"n0": "ABORTED", "n0-0-n0": "ABORTED"}
    ),
    "in_back_off": Stage(
        retried(),
        {"n0": recoverable},
        lambda _, handle: waits_for(handle, "n0", "backoff"),
        {"n0": "ABORTED"},
        BACK_OFF,
    ),
    "at_a_signal_gate": Stage(
        single(signal_node("n0", [0])), {}, lambda _, handle: waits_for(handle, "n0", "signal"), {"n0": "ABORTED"}
    ),
    "at_a_sleep_gate": Stage(
        single(sleep_node("n0", [0], 60)), {}, lambda _, handle: waits_for(handle, "n0", "timer"), {"n0": "ABORTED"}
    ),
    "in_clean_up": Stage(
        failing_beside_a_slow_one(),
        {"n0": boom, "n1": slow_to_stop},
        lambda runs, _: _clean_up_began(runs),
        {"n0": "FAILED", "n1": "ABORTED"},
    ),
    "in_the_failure_node": Stage(
        with_failure_node(chain(1)),
        {"n0": boom, "fn0": for_ever},
        lambda runs, _: attempts(runs, 2),
        {"n0": "FAILED", "fn0": "ABORTED"},
    ),
}


async def _clean_up_began(runs: EngineRuns) -> None:
    while not any(event.phase == WorkflowPhase.FAILING for event in runs.workflow_events):  # noqa: ASYNC110  as above
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", STAGES)
async def test_an_abort_ends_a_run_that_is(engine_runs: EngineRuns, name: str) -> None:
    stage, runs = STAGES[name], engine_runs
    runs.scripts |= stage.scripts

    async with runs.workers():
        handle = await runs.start(stage.graph, int_map(a=1), settings=stage.settings)
        await bounded(stage.reached(runs, handle))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    ends = {node: phases[-1] for node, phases in runs.phases().items()}
    assert ends.items() >= stage.phases.items()
    assert set(ends.values()) <= {"SUCCEEDED", "FAILED", "ABORTED"}


async def test_an_abort_before_a_worker_came_is_reported(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    handle = await runs.start(chain(1), int_map(a=1))
    await handle.cancel()

    async with runs.workers():
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    assert runs.attempts == []


async def test_an_abort_reaches_a_task_that_no_worker_has_taken(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.engine_worker():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(waits_for(handle, "n0", "attempt"))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    assert runs.phases()["n0"] == ["QUEUED", "ABORTED"]


async def test_a_second_abort_changes_nothing(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = slow_to_stop

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(attempts(runs, 1))
        await handle.cancel()
        await asyncio.sleep(0.3)
        await handle.cancel()
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    assert runs.phases()["n0"] == ["QUEUED", "ABORTED"]


async def fails_when_stopped(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(60)
    return failed("Interrupted", "SYSTEM", recoverable=True)


async def test_an_attempt_that_fails_while_it_is_stopped_is_not_tried_again(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = fails_when_stopped

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(attempts(runs, 1))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    assert len(runs.attempts) == 1
    assert runs.phases()["n0"] == ["QUEUED", "ABORTED"]


async def test_an_abort_ends_a_run_whose_tasks_worker_is_gone(
    engine_runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities, "HEARTBEAT_TIMEOUT", timedelta(seconds=1))
    runs = engine_runs
    runs.scripts["n0"] = for_ever
    runs.silent.add("n0")

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(attempts(runs, 1))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    assert runs.phases()["n0"] == ["QUEUED", "ABORTED"]


async def test_a_deadline_ends_a_node_whose_tasks_worker_is_gone(
    engine_runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities, "HEARTBEAT_TIMEOUT", timedelta(seconds=3))
    runs = engine_runs
    runs.scripts["n0"] = for_ever
    runs.silent.add("n0")
    graph = chain(1)
    graph.workflows[0].nodes[2].timeout.FromSeconds(1)

    async with runs.workers():
        phase = await bounded(runs.outcome(graph, int_map(a=1)))

    assert phase == "FAILED"
    assert runs.phases()["n0"] == ["QUEUED", "TIMED_OUT"]
