"""Values with which pure code of a run cannot work fail their node with a code; the run ends."""

from typing import Any

import pytest
from flyteidl.core import literals_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.event import event_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.idl import bounds
from tests.fixtures.engine_runs import (
    EngineRuns,
    bind,
    body,
    constant,
    failed,
    int_map,
    integer,
    succeeded,
    task_node,
    task_summary,
)
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import chain, single
from tests.integration.workflows.test_aborts import waits_for
from tests.integration.workflows.test_arrays import array, lists

TOO_LONG = pytest.mark.parametrize("seconds", [2**62, bounds.MAX_DURATION_SECONDS])


def event_of(runs: EngineRuns, node_id: str) -> event_pb2.NodeExecutionEvent:
    """Return the last event of a node."""
    return [event for event in runs.node_events if event.id.node_id == node_id][-1]


async def failure(
    runs: EngineRuns, graph: graph_pb2.Graph, node_id: str = "n0", inputs: literals_pb2.LiteralMap | None = None
) -> tuple[str, str]:
    """Run to the end, and return code and message of the node that failed."""
    async with runs.workers():
        phase = await bounded(runs.outcome(graph, int_map(a=1) if inputs is None else inputs))
    assert phase == "FAILED"
    event = event_of(runs, node_id)
    assert runs.phases()[node_id][-1] == "FAILED"
    return event.error.code, event.error.message


@TOO_LONG
async def test_a_gate_that_sleeps_past_the_year_9999_fails(engine_runs: EngineRuns, seconds: int) -> None:
    gate = core_workflow_pb2.GateNode(sleep=core_workflow_pb2.SleepCondition(duration={"seconds": seconds}))

    code, message = await failure(engine_runs, single(graph_pb2.Node(id="n0", upstream=[0], gate=gate)))

    assert code == "SleepTooLong"
    assert str(seconds) in message


def sleeper(seconds: int) -> graph_pb2.Graph:
    summary = task_summary(kind="core-sleep")
    summary.input_names[:] = ["duration"]
    duration = constant("duration", 0)
    duration.binding.scalar.primitive.duration.seconds = seconds
    return graph_pb2.Graph(workflows=[body([task_node("n0", [0], [duration])], [])], tasks=[summary])


@TOO_LONG
async def test_a_task_that_sleeps_past_the_year_9999_fails(engine_runs: EngineRuns, seconds: int) -> None:
    code, _ = await failure(engine_runs, sleeper(seconds))

    assert code == "SleepTooLong"
    assert engine_runs.task_events[-1].error.code == code


async def test_an_element_that_sleeps_past_the_year_9999_fails(engine_runs: EngineRuns) -> None:
    graph = sleeper(2**62)
    node = graph.workflows[0].nodes[2]
    node.CopyFrom(graph_pb2.Node(id="n0", upstream=[0], inputs=node.inputs, array=graph_pb2.ArrayNode(node=node)))
    given = node.inputs[0].binding
    given.collection.bindings.append(literals_pb2.BindingData(scalar=node.array.node.inputs[0].binding.scalar))

    _, message = await failure(engine_runs, graph)

    assert "which end after the year 9999" in message


async def test_a_negative_sleep_of_any_length_ends_at_once(engine_runs: EngineRuns) -> None:
    async with engine_runs.workers():
        phase = await bounded(engine_runs.outcome(sleeper(-(2**62)), int_map()))

    assert phase == "SUCCEEDED"


@pytest.mark.parametrize("kind", ["python-task", "echo"])
@TOO_LONG
async def test_a_timeout_of_centuries_is_none(engine_runs: EngineRuns, seconds: int, kind: str) -> None:
    graph = chain(1, kind)
    graph.workflows[0].nodes[2].timeout.seconds = seconds

    async with engine_runs.workers():
        settings = execution_pb2.ExecutionSettings(timeout={"seconds": seconds})
        phase = await bounded(engine_runs.outcome(graph, int_map(a=1), settings=settings))

    assert phase == "SUCCEEDED"


async def test_a_pause_of_centuries_can_be_aborted(engine_runs: EngineRuns) -> None:
    async def fail(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("USER:Boom", recoverable=True)

    engine_runs.scripts["n0"] = fail
    rule = execution_pb2.RetryRule(retries={"value": 1}, initial_interval={"seconds": bounds.MAX_DURATION_SECONDS})

    async with engine_runs.workers():
        handle = await engine_runs.start(
            chain(1), int_map(a=1), settings=execution_pb2.ExecutionSettings(retry_rules=[rule])
        )
        await bounded(waits_for(handle, "n0", "backoff"))
        await handle.cancel()
        phase = await bounded(engine_runs.wait(handle))

    assert phase == "ABORTED"


@pytest.mark.parametrize(
    "packed", [b"\x81\x91\x01\x02", b"\x91" * 5000, b"\xd7\xff" + b"\xff" * 8], ids=["list as key", "deep", "time"]
)
async def test_a_msgpack_value_that_cannot_be_decoded_fails_the_node_that_reads_it(
    engine_runs: EngineRuns, packed: bytes
) -> None:
    binary = literals_pb2.Literal(scalar={"binary": literals_pb2.Binary(value=packed, tag="msgpack")})

    async def leave(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        outputs = literals_pb2.LiteralMap(literals={"o0": binary})
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=outputs))

    engine_runs.scripts["n0"] = leave
    graph = chain(2)
    graph.workflows[0].nodes[3].inputs[0].binding.promise.attr_path.add(string_value="x")

    code, message = await failure(engine_runs, graph, "n1")

    assert code == "BindingResolutionFailure"
    assert "the msgpack value cannot be decoded" in message


def in_lists(levels: int, inner: literals_pb2.BindingData) -> literals_pb2.BindingData:
    for _ in range(levels):
        outer = literals_pb2.BindingData()
        outer.collection.bindings.append(inner)
        inner = outer
    return inner


@pytest.mark.parametrize("levels", [25, 35])
async def test_a_binding_that_nests_an_output_too_deep_fails_its_node(engine_runs: EngineRuns, levels: int) -> None:
    async def leave(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        value = integer(1)
        for _level in range(20):
            outer = literals_pb2.Literal()
            outer.collection.literals.append(value)
            value = outer
        outputs = literals_pb2.LiteralMap(literals={"o0": value})
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=outputs))

    engine_runs.scripts["n0"] = leave
    graph = chain(2)
    binding = graph.workflows[0].nodes[3].inputs[0].binding
    binding.CopyFrom(in_lists(levels, bind("a", "n0", "o0").binding))

    code, message = await failure(engine_runs, graph, "n1")

    assert code == "BindingResolutionFailure"
    assert "nested more than 64 levels deep" in message


@pytest.mark.parametrize("ratio", [float("nan"), float("inf")])
async def test_a_success_ratio_that_is_no_number_fails_the_array(engine_runs: EngineRuns, ratio: float) -> None:
    code, message = await failure(engine_runs, array(min_success_ratio=ratio), inputs=lists(a=[1, 2]))

    assert code == "BadSpecificationError"
    assert "min_success_ratio" in message


async def test_an_error_of_an_undefined_kind_is_retried_as_the_users(engine_runs: EngineRuns) -> None:
    async def fail(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.attempt > 0:
            return succeeded(o0=1)
        result = failed("USER:Boom", recoverable=True)
        kind: Any = 99
        result.failure.error.kind = kind
        return result

    engine_runs.scripts["n0"] = fail
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 1

    async with engine_runs.workers():
        phase = await bounded(engine_runs.outcome(graph, int_map(a=1)))

    assert phase == "SUCCEEDED"


async def test_a_project_and_domain_of_any_length_run_tasks(engine_runs: EngineRuns) -> None:
    engine_runs.project, engine_runs.domain = "p" * 63, "d" * 255

    async with engine_runs.workers():
        phase = await bounded(engine_runs.outcome(chain(1), int_map(a=1)))

    assert phase == "SUCCEEDED"
