"""Dynamic nodes: the workflow that an attempt generated is walked below its node."""

import asyncio

import pytest

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.node.outcomes import USER, execution_error
from tests.fixtures.engine_runs import (
    EngineRuns,
    bind,
    body,
    constant,
    int_map,
    plus_one,
    succeeded,
    task_node,
    task_summary,
)
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import boom, chain
from tests.integration.workflows.test_aborts import attempts, for_ever


async def returns_a_workflow(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return execution_pb2.TaskAttemptResult(dynamic=True)


def made(*nodes: graph_pb2.Node, output: str = "dn0") -> graph_pb2.Graph:
    """A graph without inputs, as dynamic tasks generate them."""
    workflow = body(list(nodes), [bind("o0", output, "o0")], name="dynamic_n0")
    return graph_pb2.Graph(workflows=[workflow], tasks=[task_summary("inner")])


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    engine_runs.scripts["n0"] = returns_a_workflow
    return engine_runs


async def test_what_an_attempt_returned_runs_below_its_node(runs: EngineRuns) -> None:
    runs.dynamic["n0"] = made(
        task_node("dn0", [0], [constant("a", 40)]), task_node("dn1", [2], [bind("a", "dn0", "o0")]), output="dn1"
    )

    async with runs.workers():
        phase = await runs.outcome(chain(2), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=43)
    assert set(runs.phases()) >= {"n0", "n0-0-start-node", "n0-0-dn0", "n0-0-dn1", "n0-0-end-node", "n1"}
    child = next(event for event in runs.node_events if event.id.node_id == "n0-0-dn0")
    assert (child.parent_node_metadata.node_id, child.is_in_dynamic_chain) == ("n0", True)
    assert child.target_entity.name == "inner"
    ended = [event for event in runs.node_events if event.id.node_id == "n0"][-1]
    assert (ended.is_dynamic, ended.is_parent) == (True, True)


async def test_a_dynamic_node_may_hold_dynamic_nodes(runs: EngineRuns) -> None:
    runs.scripts["dn0"] = returns_a_workflow
    runs.dynamic["n0"] = made(task_node("dn0", [0], [constant("a", 1)]))
    runs.dynamic["dn0"] = made(task_node("dn9", [0], [constant("a", 6)]), output="dn9")

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=7)
    assert "n0-0-dn0-0-dn9" in runs.phases()


async def test_what_does_not_compile_fails_its_node(runs: EngineRuns) -> None:
    runs.dynamic["n0"] = execution_error("DynamicWorkflowBuildFailed", "no such task", USER)

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "FAILED"
    assert runs.phases()["n0"][-1] == "FAILED"
    assert runs.workflow_events[-1].error.code == "DynamicWorkflowBuildFailed"


async def test_a_failure_below_fails_the_node_without_another_attempt(runs: EngineRuns) -> None:
    runs.scripts["dn0"] = boom
    runs.dynamic["n0"] = made(task_node("dn0", [0], [constant("a", 1)]))
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 3

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1))

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "USER:Boom"
    assert [attempt.attempt for attempt in runs.attempts if attempt.node_event.spec_node_id == "n0"] == [0]


async def test_a_time_out_below_is_worth_another_attempt(runs: EngineRuns) -> None:
    async def second_time_plain(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.attempt:
            return succeeded(o0=5)
        return await returns_a_workflow(attempt)

    async def never_ends(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await asyncio.sleep(60)
        return succeeded(o0=0)

    runs.scripts |= {"n0": second_time_plain, "dn0": never_ends}
    late = task_node("dn0", [0], [constant("a", 1)])
    late.timeout.FromMilliseconds(200)
    runs.dynamic["n0"] = made(late)
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 1

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1))

    assert phase == "SUCCEEDED"
    assert runs.phases()["n0-0-dn0"][-1] == "TIMED_OUT"
    assert runs.outputs() == int_map(o0=5)


async def test_an_abort_reaches_what_runs_below(runs: EngineRuns) -> None:
    runs.scripts["dn0"] = for_ever
    runs.dynamic["n0"] = made(task_node("dn0", [0], [constant("a", 1)]))

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(attempts(runs, 2))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))

    assert phase == "ABORTED"
    assert runs.phases()["n0-0-dn0"][-1] == "ABORTED"
    assert runs.phases()["n0"][-1] == "ABORTED"


async def test_a_dynamic_node_does_not_keep_the_only_slot_from_its_children(runs: EngineRuns) -> None:
    runs.scripts["dn0"] = returns_a_workflow
    runs.dynamic["n0"] = made(task_node("dn0", [0], [constant("a", 1)]))
    runs.dynamic["dn0"] = made(task_node("dn9", [0], [constant("a", 6)]), output="dn9")

    async with runs.workers():
        phase = await bounded(runs.outcome(chain(2), int_map(a=1), max_parallelism=1))

    assert phase == "SUCCEEDED"


async def test_max_parallelism_is_shared_with_what_runs_below(runs: EngineRuns) -> None:
    running, most = 0, 0

    async def counted(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return await plus_one(attempt)

    runs.default_script = counted
    runs.dynamic["n0"] = made(*(task_node(f"dn{i}", [0], [constant("a", 1)]) for i in range(4)))

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1), max_parallelism=2)

    assert phase == "SUCCEEDED"
    assert most <= 2
