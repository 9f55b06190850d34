"""A deck that an attempt wrote is named by the last event of its node, however the node ends, and by no other node."""

import asyncio
from collections.abc import Sequence

import pytest

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.node.outcomes import USER, execution_error
from tests.fixtures.engine_runs import (
    EngineRuns,
    NodePhase,
    TaskScript,
    bind,
    body,
    constant,
    failed,
    int_map,
    integer,
    plus_one,
    succeeded,
    task_node,
    task_summary,
)
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import boom, chain, signal_node
from tests.integration.workflows.test_aborts import attempts, waits_for
from tests.integration.workflows.test_dynamic import made


def deck(number: int = 0) -> str:
    return f"memory://store/{number}/deck.html"


async def dynamic(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return execution_pb2.TaskAttemptResult(dynamic=True, deck_uri=deck(attempt.attempt))


async def decked_until_stopped(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        result = failed("Aborted", "SYSTEM")
        result.deck_uri = deck(attempt.attempt)
        return result
    return succeeded(o0=0)


def ends(*results: execution_pb2.TaskAttemptResult, decks: Sequence[int] = ()) -> TaskScript:
    """Return a script with a result per attempt; those in ``decks`` wrote a deck."""

    async def script(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        result = execution_pb2.TaskAttemptResult()
        result.CopyFrom(results[attempt.attempt])
        result.deck_uri = deck(attempt.attempt) if attempt.attempt in decks else ""
        return result

    return script


def shown(runs: EngineRuns) -> dict[str, tuple[str, str]]:
    """Return the last phase of each node that shows a deck, and the deck."""
    last = {event.id.node_id: event for event in runs.node_events}
    return {name: (NodePhase.Phase.Name(e.phase), e.deck_uri) for name, e in last.items() if e.deck_uri}


@pytest.mark.parametrize(("below", "phase"), [(plus_one, "SUCCEEDED"), (boom, "FAILED")], ids=["success", "failure"])
async def test_a_dynamic_node_shows_the_deck_of_its_task(
    engine_runs: EngineRuns, below: TaskScript, phase: str
) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": dynamic, "dn0": below}
    runs.dynamic["n0"] = made(task_node("dn0", [0], [constant("a", 1)]))

    async with runs.workers():
        assert await runs.outcome(chain(1), int_map(a=1)) == phase

    assert shown(runs) == {"n0": (phase, deck())}


async def test_a_dynamic_node_whose_workflow_does_not_compile_shows_its_deck(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = dynamic
    runs.dynamic["n0"] = execution_error("DynamicWorkflowBuildFailed", "no such task", USER)

    async with runs.workers():
        await runs.outcome(chain(1), int_map(a=1))

    assert shown(runs) == {"n0": ("FAILED", deck())}


AGAIN = failed("USER:Recoverable", recoverable=True)
EXPIRED = failed("TimeoutExpired", recoverable=True)
NEWEST = {
    "the last of several": ([AGAIN, AGAIN, AGAIN], [0, 1, 2], "FAILED", 2),
    "an earlier one before a failure": ([AGAIN, AGAIN, AGAIN], [0, 1], "FAILED", 1),
    "an earlier one before a success": ([AGAIN, AGAIN, succeeded(o0=1)], [0], "SUCCEEDED", 0),
    "of a success": ([AGAIN, succeeded(o0=1)], [0, 1], "SUCCEEDED", 1),
    "of an attempt that timed out": ([EXPIRED, EXPIRED, EXPIRED], [2], "FAILED", 2),
}


@pytest.mark.parametrize("case", NEWEST.values(), ids=NEWEST)
async def test_a_node_shows_the_newest_deck_of_its_attempts(
    engine_runs: EngineRuns, case: tuple[list[execution_pb2.TaskAttemptResult], list[int], str, int]
) -> None:
    results, written, phase, newest = case
    runs = engine_runs
    runs.scripts["n0"] = ends(*results, decks=written)
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 2

    async with runs.workers():
        assert await runs.outcome(graph, int_map(a=1)) == phase

    assert shown(runs) == {"n0": (phase, deck(newest))}


async def test_a_node_that_exceeds_its_deadline_shows_the_deck_of_the_attempt_it_stopped(
    engine_runs: EngineRuns,
) -> None:
    runs = engine_runs
    runs.scripts["n0"] = decked_until_stopped
    graph = chain(1)
    graph.workflows[0].nodes[2].timeout.FromMilliseconds(200)

    async with runs.workers():
        await runs.outcome(graph, int_map(a=1))

    assert shown(runs) == {"n0": ("TIMED_OUT", deck())}


async def test_an_aborted_node_shows_the_deck_of_the_attempt_that_was_stopped(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = decked_until_stopped

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(attempts(runs, 1))
        await handle.cancel()
        assert await bounded(runs.wait(handle)) == "ABORTED"

    assert shown(runs) == {"n0": ("ABORTED", deck())}


@pytest.mark.parametrize("is_aborted", [False, True], ids=["success", "abort"])
async def test_a_later_run_of_the_execution_still_shows_the_deck(engine_runs: EngineRuns, is_aborted: bool) -> None:
    runs = engine_runs
    runs.history_events = 30
    runs.scripts["w"] = dynamic
    runs.dynamic["w"] = made(signal_node("dn0", [0]))
    graph = chain(30)
    tasks = list(graph.workflows[0].nodes)[2:]
    waiting = task_node("w", [0], [constant("a", 1)])
    graph = graph_pb2.Graph(workflows=[body([*tasks, waiting], [bind("o0", "n29", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=0))
        while len(await runs.histories(handle)) < 2:  # noqa: ASYNC110  Temporal has no notification
            await asyncio.sleep(0.05)
        await bounded(waits_for(handle, "w", "nested"))
        await (handle.cancel() if is_aborted else runs.set_signal(handle, "number", integer(3)))
        await bounded(runs.wait(handle))

    assert shown(runs) == {"w": ("ABORTED" if is_aborted else "SUCCEEDED", deck())}
