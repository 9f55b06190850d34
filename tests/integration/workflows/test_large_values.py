"""Values that do not fit into Temporal's messages: passed by reference, in several workflow tasks, or refused."""

import os

import pytest
from flyteidl.core import condition_pb2, literals_pb2, types_pb2
from google.protobuf import duration_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.node.outcomes import USER
from tests.fixtures.engine_runs import (
    EngineRuns,
    bind,
    body,
    int_map,
    integer,
    succeeded,
    task_node,
    task_summary,
)
from tests.integration.workflows.graphs import chain, single
from tests.integration.workflows.test_arrays import array

MB = 1024 * 1024
STRING = types_pb2.LiteralType(simple=types_pb2.STRING)


def text(value: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def reference(uri: str, kind: types_pb2.LiteralType = STRING) -> literals_pb2.Literal:
    offloaded = literals_pb2.LiteralOffloadedMetadata(uri=uri, size_bytes=3 * MB, inferred_type=kind)
    return literals_pb2.Literal(offloaded_metadata=offloaded)


def far(runs: EngineRuns, value: literals_pb2.Literal) -> literals_pb2.Literal:
    """Store a value and return the reference to it."""
    uri = f"memory://store/far/{len(runs.files)}.pb"
    runs.files[uri] = value  # type: ignore[assignment]  # the store of these tests holds any message
    return reference(uri)


def given(**values: literals_pb2.Literal) -> literals_pb2.LiteralMap:
    return literals_pb2.LiteralMap(literals=values)


def branch_on(value: str) -> graph_pb2.Graph:
    """n0 runs ``same`` if the input ``a`` is ``value``, otherwise ``other``."""
    comparison = condition_pb2.ComparisonExpression(operator="EQ")
    comparison.left_value.var = ".a"
    comparison.right_value.primitive.string_value = value
    node = graph_pb2.Node(id="n0", name="n0", upstream=[0], inputs=[bind(".a", "start-node", "a")])
    case = node.branch.cases.add(condition=condition_pb2.BooleanExpression(comparison=comparison))
    case.node.CopyFrom(task_node("n0-same", [], [bind("a", "start-node", "b")]))
    node.branch.else_node.CopyFrom(task_node("n0-other", [], [bind("a", "start-node", "b")]))
    return single(node)


async def test_a_branch_decides_by_a_value_that_does_not_travel(engine_runs: EngineRuns) -> None:
    inputs = given(a=far(engine_runs, text("x" * 3 * MB)), b=integer(1))

    async with engine_runs.workers():
        phase = await engine_runs.outcome(branch_on("y"), inputs)

    assert phase == "SUCCEEDED"
    assert "n0-0-n0-other" in engine_runs.phases()


async def test_a_branch_by_a_reference_to_a_small_value_takes_its_case(engine_runs: EngineRuns) -> None:
    inputs = given(a=far(engine_runs, text("y")), b=integer(1))

    async with engine_runs.workers():
        phase = await engine_runs.outcome(branch_on("y"), inputs)

    assert phase == "SUCCEEDED"
    assert "n0-0-n0-same" in engine_runs.phases()


async def test_a_branch_that_cannot_compare_what_does_not_travel_is_the_users_error(engine_runs: EngineRuns) -> None:
    inputs = given(a=far(engine_runs, integer(1)), b=integer(1))

    async with engine_runs.workers():
        phase = await engine_runs.outcome(branch_on("y"), inputs)

    assert phase == "FAILED"
    error = engine_runs.workflow_events[-1].error
    assert (error.code, error.kind) == ("MalformedBranchUserError", USER)


async def test_a_task_gets_a_part_of_a_value_that_does_not_travel(engine_runs: EngineRuns) -> None:
    whole = literals_pb2.Literal(map=given(k=integer(4), rest=text("x" * 3 * MB)))
    binding = bind("a", "start-node", "a")
    binding.binding.promise.attr_path.add(string_value="k")
    seen = []

    async def resolving(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        deferred = execution_pb2.ResolveRequest(inputs=attempt.inputs.deferred)
        seen.append(await engine_runs.data.resolve_inputs(deferred))
        return succeeded(o0=1)

    engine_runs.default_script = resolving
    async with engine_runs.workers():
        phase = await engine_runs.outcome(single(task_node("n0", [0], [binding])), given(a=far(engine_runs, whole)))

    assert phase == "SUCCEEDED"
    assert seen[0].literals == int_map(a=4)


async def test_a_reference_goes_through_echo_and_to_the_end_as_it_is(engine_runs: EngineRuns) -> None:
    value = far(engine_runs, text("x" * 3 * MB))

    async with engine_runs.workers():
        phase = await engine_runs.outcome(chain(2, "echo"), given(a=value))

    assert phase == "SUCCEEDED"
    assert engine_runs.outputs() == given(o0=value)


async def test_echo_hands_on_what_is_too_large_to_travel(engine_runs: EngineRuns) -> None:
    async def leaves_much(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        uri = f"{attempt.output_dir}/outputs.pb"
        engine_runs.files[uri] = given(o0=text("x" * 3 * MB))
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(uri=uri))

    engine_runs.scripts["n0"] = leaves_much
    graph = chain(2)
    graph.tasks.append(task_summary("e", "echo"))
    graph.workflows[0].nodes[3].task.task = 1

    async with engine_runs.workers():
        phase = await engine_runs.outcome(graph, int_map(a=1))

    assert phase == "SUCCEEDED"
    assert engine_runs.outputs() == given(o0=text("x" * 3 * MB))


async def test_core_sleep_waits_by_a_duration_that_does_not_travel(engine_runs: EngineRuns) -> None:
    duration = literals_pb2.Literal()
    duration.scalar.primitive.duration.CopyFrom(duration_pb2.Duration(nanos=1000))
    task = task_summary("s", "core-sleep")
    node = task_node("n0", [0], [bind("duration", "start-node", "a")])
    graph = graph_pb2.Graph(workflows=[body([node], [])], tasks=[task])

    async with engine_runs.workers():
        phase = await engine_runs.outcome(graph, given(a=far(engine_runs, duration)))

    assert phase == "SUCCEEDED"


async def test_an_array_maps_over_a_list_that_does_not_travel(engine_runs: EngineRuns) -> None:
    listed = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[integer(n) for n in range(3)]))
    kind = types_pb2.LiteralType(collection_type=types_pb2.LiteralType(simple=types_pb2.INTEGER))
    value = far(engine_runs, listed)
    value.offloaded_metadata.inferred_type.CopyFrom(kind)

    async def reads_its_own(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        values, _ = await engine_runs.elements.inputs(attempt.inputs.element)
        return succeeded(o0=values.literals["a"].scalar.primitive.integer + 1)

    engine_runs.default_script = reads_its_own
    async with engine_runs.workers():
        phase = await engine_runs.outcome(array(), given(a=value))

    assert phase == "SUCCEEDED"
    found = engine_runs.outputs().literals["o0"].collection.literals
    assert [literal.scalar.primitive.integer for literal in found] == [1, 2, 3]


async def test_a_gathered_list_is_offloaded(engine_runs: EngineRuns) -> None:
    listed = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[integer(n) for n in range(3)]))

    async def much(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=given(o0=text("x" * 50_000))))

    engine_runs.default_script = much
    async with engine_runs.workers():
        phase = await engine_runs.outcome(array(), given(a=listed))

    assert phase == "SUCCEEDED"
    offloaded = engine_runs.outputs().literals["o0"].offloaded_metadata
    assert offloaded.size_bytes > 150_000
    assert offloaded.inferred_type.collection_type == STRING


@pytest.mark.parametrize("content", [os.urandom(15_000), b"z" * 15_000], ids=["noise", "repeated"])
async def test_arguments_of_many_tasks_at_once_exceed_no_message(engine_runs: EngineRuns, content: bytes) -> None:
    """The inputs together are twice what Temporal accepts from one workflow task; zlib cannot shrink the noise."""
    nodes = [task_node(f"n{n}", [0], [bind("a", "start-node", "a"), bind("b", "start-node", "b")]) for n in range(600)]
    binary = literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=content)))
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with engine_runs.workers():
        phase = await engine_runs.outcome(graph, given(a=integer(1), b=binary))

    assert phase == "SUCCEEDED"
    assert len(engine_runs.attempts) == 600
    if content[:2] != b"zz":
        engine_runs.handles.clear()  # Its history would fill the corpus.


async def test_a_value_that_is_refused_fails_its_node_as_the_users_error(engine_runs: EngineRuns) -> None:
    durations = literals_pb2.Literal(
        collection=literals_pb2.LiteralCollection(literals=[text("x" * 40_000) for _ in range(8)])
    )
    graph = array(inputs=("duration",))
    graph.tasks[0].type = "core-sleep"

    async with engine_runs.workers():
        phase = await engine_runs.outcome(graph, given(duration=durations))

    assert phase == "FAILED"
    error = engine_runs.workflow_events[-1].error
    assert (error.code, error.kind) == ("ValueTooLarge", USER)
    assert "node [n0]" in error.message
    assert "bytes" in error.message
    assert engine_runs.phases()["n0"][-1] == "FAILED"
