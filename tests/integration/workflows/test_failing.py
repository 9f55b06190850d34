"""After a failure: failure nodes, collected errors, pauses between attempts, deadlines."""

import asyncio
from datetime import timedelta

import pytest
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from google.protobuf import json_format

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures.engine_runs import (
    EngineRuns,
    NodePhase,
    TaskScript,
    WorkflowPhase,
    bind,
    body,
    constant,
    failed,
    int_map,
    plus_one,
    succeeded,
    task_node,
    task_summary,
)
from tests.integration.workflows.graphs import boom, chain, nested, single, sleep_node, with_failure_node

CARRY_ON = core_workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE


def workflow_phases(runs: EngineRuns) -> list[str]:
    return [WorkflowPhase.Phase.Name(event.phase) for event in runs.workflow_events]


def subworkflow_node(node_id: str, workflow: int) -> graph_pb2.Node:
    return graph_pb2.Node(id=node_id, upstream=[0], subworkflow=graph_pb2.SubworkflowNode(workflow=workflow))


async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    await asyncio.sleep(60)
    return succeeded(o0=0)


async def test_the_failure_node_gets_inputs_and_error(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        phase = await runs.outcome(with_failure_node(chain(1)), int_map(a=5))

    assert phase == "FAILED"
    assert workflow_phases(runs) == ["RUNNING", "FAILING", "FAILED"]
    assert runs.workflow_events[-1].error.code == "USER:Boom"
    assert runs.phases()["fn0"] == ["QUEUED", "SUCCEEDED"]
    given = runs.attempts[-1].inputs.literals.literals
    union = given["err"].scalar.union
    assert given["a"].scalar.primitive.integer == 5
    assert (union.value.scalar.error.message, union.type.structure.tag) == ("USER:Boom happened", "FlyteError")


async def test_siblings_are_stopped_before_the_failure_node_runs(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": boom, "n1": for_ever}
    nodes = [task_node("n0", [0], [constant("a", 1)]), task_node("n1", [0], [constant("a", 1)])]
    graph = with_failure_node(graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()]))

    async with runs.workers():
        await runs.outcome(graph, int_map(a=5))

    ended = [(e.id.node_id, e.phase) for e in runs.node_events if e.id.node_id in ("n1", "fn0")]
    assert [node for node, _ in ended] == ["n1", "n1", "fn0", "fn0"]
    assert runs.phases()["n1"][-1] == "ABORTED"


async def test_the_error_of_a_failure_node_hides_the_original_one(engine_runs: EngineRuns) -> None:
    async def worse(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Worse")

    runs = engine_runs
    runs.scripts |= {"n0": boom, "fn0": worse}

    async with runs.workers():
        phase = await runs.outcome(with_failure_node(chain(1)), int_map(a=5))

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "USER:Worse"


async def test_a_failure_node_that_times_out_says_so(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom
    graph = chain(1)
    runs.scripts["fn0"] = for_ever
    waiting = task_node("fn0", [0], [])
    waiting.timeout.FromMilliseconds(200)
    graph.workflows[0].failure_node.CopyFrom(waiting)

    async with runs.workers():
        await runs.outcome(graph, int_map(a=5))

    error = runs.workflow_events[-1].error
    assert error.code == "TimedOut"
    assert error.message.startswith("FailureNode Timed-out: Timeout in node [fn0]: it was open for 400ms")


async def test_a_failure_node_sees_no_other_node(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n1"] = boom
    graph = chain(2)
    graph.workflows[0].failure_node.CopyFrom(task_node("fn0", [0], [bind("a", "n0", "o0")]))

    async with runs.workers():
        await runs.outcome(graph, int_map(a=5))

    assert runs.workflow_events[-1].error.code == "FailureNodeInputResolvingError"


async def test_a_subworkflow_runs_its_own_failure_node(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        phase = await runs.outcome(with_failure_node(nested(), workflow=1), int_map(a=5))

    assert phase == "FAILED"
    assert runs.phases()["n0-0-fn0"] == ["QUEUED", "SUCCEEDED"]
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "FAILED"]
    assert runs.workflow_events[-1].error.code == "USER:Boom"


async def test_levels_that_fail_at_once_stop_their_nodes_for_their_own_reasons(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    # The deeper a level, the longer it takes to stop its nodes.
    depths = range(1, 5)
    outer = [subworkflow_node(f"n{depth}", depth) for depth in depths]
    failing = [
        body([sleep_node("n0", [0], 0.1), task_node("n1", [2], [bind("a", "start-node", "missing")]), below], [])
        for below in (subworkflow_node("n2", depth + 4) for depth in depths)
    ]
    deeper = [body([subworkflow_node("n0", depth + 3)], []) for depth in depths[1:]]
    workflows = [body(outer, []), *failing, body([sleep_node("n0", [0], 60)], []), *deeper]

    async with runs.workers():
        await runs.outcome(graph_pb2.Graph(workflows=workflows, tasks=[task_summary()]), int_map())

    stopped = [event for event in runs.node_events if event.phase == NodePhase.ABORTED]
    assert len(stopped) >= 1 + 2 + 3 + 4
    assert {event.error.message for event in stopped} == {"Some node execution failed, auto-abort."}


async def test_errors_of_several_nodes_are_gathered(engine_runs: EngineRuns) -> None:
    async def other(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Other")

    runs = engine_runs
    runs.scripts |= {"n0": other, "n1": boom}
    nodes = [task_node(f"n{i}", [0], [constant("a", 1)]) for i in range(3)]
    workflow = body(nodes, [])
    workflow.on_failure = CARRY_ON

    async with runs.workers():
        await runs.outcome(graph_pb2.Graph(workflows=[workflow], tasks=[task_summary()]), int_map())

    error = runs.workflow_events[-1].error
    assert error.code == "USER:Boom"
    assert error.message == "USER:Boom happened\n\nAlso failed:\n[n0] USER:Other: USER:Other happened"


async def test_an_attempt_waits_as_long_as_its_rule_says(engine_runs: EngineRuns) -> None:
    async def flaky(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.attempt:
            return succeeded(o0=attempt.attempt)
        result = failed("USER:Recoverable", recoverable=True)
        result.unreported.add().task.SetInParent()
        return result

    runs = engine_runs
    runs.scripts["n0"] = flaky
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 1
    settings = execution_pb2.ExecutionSettings(
        retry_rules=[
            execution_pb2.RetryRule(task="another", retries={"value": 0}),
            execution_pb2.RetryRule(task="t", cause="USER", initial_interval={"nanos": 300_000_000}),
        ]
    )

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1), settings=settings)

    first, second = runs.attempts
    assert phase == "SUCCEEDED"
    assert second.queued_at.ToDatetime() - first.queued_at.ToDatetime() >= timedelta(milliseconds=300)
    shown = json_format.MessageToDict(runs.task_events[0])
    assert shown["reason"] == "retry 1 of 1 for USER failures follows in 300ms"
    assert shown["customInfo"]["retry"] == {"cause": "USER", "number": 1, "limit": 1, "pauseSeconds": 0.3}


def out_of_memory_below(needed: int) -> TaskScript:
    """A task that runs out of memory unless it has ``needed`` bytes; an activity would double them."""

    async def script(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        memory = attempt.memory_bytes or 100
        if memory >= needed:
            return await plus_one(attempt)
        result = failed("OOMKilled", recoverable=True)
        result.failure.next_memory_bytes = 2 * memory
        result.unreported.add().task.SetInParent()
        return result

    return script


@pytest.mark.parametrize(("steps", "ended", "had"), [(4, "SUCCEEDED", [0, 200, 400]), (1, "FAILED", [0, 200])])
async def test_an_attempt_after_one_that_ran_out_of_memory_has_more(
    engine_runs: EngineRuns, steps: int, ended: str, had: list[int]
) -> None:
    runs = engine_runs
    runs.scripts["n0"] = out_of_memory_below(400)
    rules = [execution_pb2.MemoryRule(task="another", steps=9), execution_pb2.MemoryRule(steps=steps)]

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1), settings=execution_pb2.ExecutionSettings(memory_rules=rules))

    assert phase == ended
    assert [attempt.memory_bytes for attempt in runs.attempts] == had
    shown = json_format.MessageToDict(runs.task_events[0])["customInfo"]["retry"]
    assert shown == {"cause": "MEMORY", "number": 1, "limit": steps, "pauseSeconds": 0}


@pytest.mark.parametrize(("factor", "limit"), [(0, "400ms"), (3, "600ms")])
async def test_a_node_that_is_open_too_long_times_out(engine_runs: EngineRuns, factor: float, limit: str) -> None:
    runs = engine_runs
    runs.node_deadline_factor = factor
    runs.scripts["n0"] = for_ever
    graph = chain(1)
    graph.workflows[0].nodes[2].timeout.FromMilliseconds(200)

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1))

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert runs.phases()["n0"] == ["QUEUED", "TIMED_OUT"]
    assert (error.code, error.kind) == ("Timeout", error.USER)
    assert error.message == (
        f"Timeout in node [n0]: it was open for {limit}, the limit of all its attempts and waits together; "
        "the timeout of one attempt is 200ms"
    )
    assert next(event.error for event in reversed(runs.node_events) if event.id.node_id == "n0") == error


async def test_a_task_has_time_for_all_its_attempts(engine_runs: EngineRuns) -> None:
    async def expires_twice(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.attempt == 2:
            return succeeded(o0=1)
        await asyncio.sleep(attempt.timeout.seconds)
        return failed("TimeoutExpired", recoverable=True)

    engine_runs.scripts["n0"] = expires_twice
    graph = chain(1)
    graph.workflows[0].nodes[2].timeout.FromSeconds(3)
    graph.workflows[0].nodes[2].retries = 2

    async with engine_runs.workers():
        phase = await engine_runs.outcome(graph, int_map(a=1))

    assert phase == "SUCCEEDED"
    assert len(engine_runs.attempts) == 3


async def test_a_branch_whose_child_timed_out_fails_as_in_flyte(engine_runs: EngineRuns) -> None:
    child = task_node("n0-n0", [], [constant("a", 1)])
    child.timeout.FromMilliseconds(100)
    engine_runs.scripts["n0-n0"] = for_ever
    node = graph_pb2.Node(id="n0", upstream=[0], branch=graph_pb2.BranchNode(else_node=child))
    runs = engine_runs

    async with runs.workers():
        await runs.outcome(single(node), int_map())

    assert runs.phases()["n0"][-1] == "FAILED"
    assert runs.workflow_events[-1].error.code == "Unknown"


@pytest.mark.parametrize("retries", [0, 1])
async def test_a_subworkflow_has_a_deadline_and_may_be_tried_again(engine_runs: EngineRuns, retries: int) -> None:
    runs = engine_runs
    graph = nested(sleep_node("n0", [0], 60))
    graph.workflows[0].nodes[2].timeout.FromSeconds(1)
    graph.workflows[0].nodes[2].retries = retries

    async with runs.workers():
        await runs.outcome(graph, int_map(a=1))

    phases = runs.phases()
    assert phases["n0-0-n0"][-1] == "ABORTED"
    assert ("n0-1-n0" in phases) == bool(retries)
    assert phases["n0"][-1] == "FAILED"
    assert runs.workflow_events[-1].error.code == "RetriesExhausted|TimeoutExpired"


async def test_an_execution_that_runs_too_long_fails_and_cleans_up(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = for_ever
    settings = execution_pb2.ExecutionSettings(timeout={"nanos": 300_000_000})

    async with runs.workers():
        phase = await runs.outcome(with_failure_node(chain(1)), int_map(a=1), settings=settings)

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert (error.code, error.message) == (
        "ExecutionTimedOut",
        "the execution has run longer than its maximum of 300ms",
    )
    assert runs.phases()["n0"][-1] == "ABORTED"
    assert runs.phases()["fn0"][-1] == "SUCCEEDED"


@pytest.mark.parametrize("recoverable", [True, False])
async def test_the_deck_of_a_task_that_failed_stays_with_its_node(engine_runs: EngineRuns, recoverable: bool) -> None:
    async def decked(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        result = failed("USER:Boom", recoverable=recoverable)
        result.deck_uri = "memory://store/deck.html"
        return result

    runs = engine_runs
    runs.scripts["n0"] = decked

    async with runs.workers():
        assert await runs.outcome(nested(), int_map(a=1)) == "FAILED"

    decks = {event.id.node_id: event.deck_uri for event in runs.node_events if event.HasField("error")}
    assert decks == {"n0-0-n0": "memory://store/deck.html", "n0": ""}
