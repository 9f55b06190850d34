"""Array nodes: elements of lists, many at once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from google.protobuf import duration_pb2

from flytetemporal.activities.arrays import ArrayActivities
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.errors import StoreAccessDenied
from flytetemporal.idl import array_task_events
from flytetemporal.plugins import transient
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.engine_runs import (
    EngineRuns,
    Files,
    bind,
    body,
    failed,
    int_map,
    integer,
    reported,
    succeeded,
    task_node,
    task_summary,
)
from tests.integration.workflows.graphs import chain
from tests.integration.workflows.test_aborts import for_ever

TaskPhase = core_execution_pb2.TaskExecution
NONE = literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


def array(inner: graph_pb2.Node | None = None, inputs: Sequence[str] = ("a",), **options: Any) -> graph_pb2.Graph:
    """A workflow that maps over its inputs, which are lists."""
    inner = inner or graph_pb2.Node(id="n0", task=graph_pb2.TaskNode(task=0))
    node = graph_pb2.Node(id="n0", name="map", upstream=[0], inputs=[bind(name, "start-node", name) for name in inputs])
    node.array.CopyFrom(graph_pb2.ArrayNode(node=inner, **options))
    return graph_pb2.Graph(
        workflows=[body([node], [bind("o0", "n0", "o0")])], tasks=[task_summary(), task_summary("e", "echo")]
    )


def lists(**values: Sequence[literals_pb2.Literal | int]) -> literals_pb2.LiteralMap:
    found = literals_pb2.LiteralMap()
    for name, items in values.items():
        literal = found.literals[name]
        literal.collection.SetInParent()
        literal.collection.literals.extend(integer(item) if isinstance(item, int) else item for item in items)
    return found


def resources(runs: EngineRuns) -> dict[tuple[int, int], str]:
    """Return the last reported phase of each attempt of each element."""
    found = {}
    for event in runs.task_events:
        for resource in event.metadata.external_resources:
            found[resource.index, resource.retry_attempt] = TaskPhase.Phase.Name(resource.phase)
    return found


def task_phases(runs: EngineRuns) -> list[str]:
    return [TaskPhase.Phase.Name(event.phase) for event in runs.task_events]


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    """Add one to ``a``, and ``b`` if it is given; fail if ``a`` is negative."""

    async def add(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        values, _ = await engine_runs.elements.inputs(attempt.inputs.element)
        a, b = (values.literals[name].scalar.primitive.integer for name in ("a", "b"))
        if a < 0:
            return reported(attempt, "FAILED", failed("Negative"))
        return reported(attempt, "SUCCEEDED", succeeded(o0=a + b + 1))

    engine_runs.default_script = add
    return engine_runs


class Denied(Files):
    """A store to which nothing may be written."""

    async def write_message(self, uri: str, message: literals_pb2.LiteralMap) -> None:
        raise StoreAccessDenied(f"the object store denies access to {uri}") from PermissionError("no")


async def test_a_store_that_denies_access_for_long_fails_the_node_with_that_code(
    runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transient, "DENIED_SECONDS", 0.5)
    runs.arrays = ArrayActivities(cast("BlobStore", Denied({}, runs.store_answers)), runs)

    async with runs.workers():
        phase = await runs.outcome(array(), lists(a=[1, 2, 3]))

    assert phase == "FAILED"
    failed_node = next(event for event in runs.node_events if event.HasField("error"))
    assert failed_node.error.code == "StoreAccessDenied"
    assert failed_node.error.kind == core_execution_pb2.ExecutionError.SYSTEM
    assert "the object store denies access to memory://store/" in failed_node.error.message


async def test_a_node_gives_lists_of_what_elements_leave(runs: EngineRuns) -> None:
    async with runs.workers():
        phase = await runs.outcome(array(inputs=("a", "b")), lists(a=[1, 2, 3], b=[10, 20, 30]))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == lists(o0=[12, 23, 34])
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert set(runs.phases()) == {"start-node", "n0", "end-node"}
    assert (task_phases(runs)[0], task_phases(runs)[1], task_phases(runs)[-1]) == ("QUEUED", "RUNNING", "SUCCEEDED")
    assert resources(runs) == {(index, 0): "SUCCEEDED" for index in range(3)}
    event = next(event for event in runs.node_events if event.id.node_id == "n0")
    assert (event.is_array, event.HasField("target_entity")) == (True, False)
    attempt = next(attempt for attempt in runs.attempts if attempt.element.index == 2)
    name = attempt.settings.raw_output_prefix and attempt.node_event.id.execution_id.name
    assert (attempt.element.node_id, attempt.generated_name) == ("n0-0-n2", f"{name}-n0-0-n2-0")
    assert attempt.element.external_id == f"{name}-n0-0-n2-0"
    assert attempt.output_dir.endswith("/n0/data/0/2/0")
    assert attempt.inputs.element.listed


async def test_bound_inputs_are_shared_by_all_elements(runs: EngineRuns) -> None:
    graph = array(inputs=("a", "b"), bound_inputs=["b"])
    inputs = lists(a=[1, 2])
    inputs.literals["b"].CopyFrom(integer(5))

    async with runs.workers():
        await runs.outcome(graph, inputs)

    assert runs.outputs() == lists(o0=[7, 8])


async def test_no_more_elements_run_at_once_than_asked_for(runs: EngineRuns) -> None:
    running: Counter[str] = Counter()
    most = 0

    async def slowly(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        nonlocal most
        running["now"] += 1
        most = max(most, running["now"])
        await asyncio.sleep(0.1)
        running["now"] -= 1
        return succeeded(o0=1)

    runs.default_script = slowly
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 2
    async with runs.workers():
        await runs.outcome(graph, lists(a=range(7)))

    assert most == 2


async def test_too_many_failures_stop_the_other_elements(runs: EngineRuns) -> None:
    add = runs.default_script

    async def waits(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await (add if attempt.element.index == 1 else for_ever)(attempt)

    runs.default_script = waits
    async with runs.workers():
        phase = await runs.outcome(array(), lists(a=[1, -1, 3]))

    assert phase == "FAILED"
    error = runs.workflow_events[-1].error
    assert (error.code, error.message) == ("", "[1]: Negative happened\n")
    assert error.kind == core_execution_pb2.ExecutionError.UNKNOWN
    assert (task_phases(runs)[-1], runs.phases()["n0"][-1]) == ("FAILED", "FAILED")
    assert resources(runs) == {(0, 0): "ABORTED", (1, 0): "FAILED", (2, 0): "ABORTED"}


@pytest.mark.parametrize(
    ("options", "phase"),
    [
        ({"min_success_ratio": 0.5}, "SUCCEEDED"),
        ({"min_success_ratio": 0.6}, "FAILED"),
        ({"min_successes": 2}, "SUCCEEDED"),
        ({"min_successes": 3}, "FAILED"),
    ],
)
async def test_some_elements_may_fail(runs: EngineRuns, options: dict[str, Any], phase: str) -> None:
    async with runs.workers():
        assert await runs.outcome(array(**options), lists(a=[1, -1, 3, -2])) == phase

    if phase == "SUCCEEDED":
        assert runs.outputs() == lists(o0=[2, NONE, 4, NONE])


async def test_all_elements_run_when_that_is_asked_for(runs: EngineRuns) -> None:
    graph = array(runs_all=True)
    graph.workflows[0].nodes[2].array.parallelism.value = 1
    async with runs.workers():
        phase = await runs.outcome(graph, lists(a=[-1, -2, 3]))

    assert phase == "FAILED"
    assert sorted(attempt.element.index for attempt in runs.attempts) == [0, 1, 2]
    assert runs.workflow_events[-1].error.message == "[0-1]: Negative happened\n"


async def test_an_element_is_tried_again_by_itself(runs: EngineRuns) -> None:
    add = runs.default_script

    async def second_time(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.element.index == 1 and attempt.attempt == 0:
            return reported(attempt, "FAILED", failed("Passing", recoverable=True))
        return await add(attempt)

    runs.default_script = second_time
    async with runs.workers():
        phase = await runs.outcome(
            array(graph_pb2.Node(id="n0", retries=1, task=graph_pb2.TaskNode(task=0))), lists(a=[1, 2])
        )

    assert phase == "SUCCEEDED"
    assert runs.outputs() == lists(o0=[2, 3])
    assert resources(runs) == {(0, 0): "SUCCEEDED", (1, 0): "FAILED", (1, 1): "SUCCEEDED"}


async def test_an_element_that_ran_out_of_memory_gets_more_and_the_others_do_not(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    add = runs.default_script

    async def needs_more(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.element.index == 1 and attempt.memory_bytes < 200:
            result = failed("OOMKilled", recoverable=True)
            result.failure.next_memory_bytes = 200
            return reported(attempt, "FAILED", result)
        return await add(attempt)

    runs.default_script = needs_more
    settings = execution_pb2.ExecutionSettings(memory_rules=[execution_pb2.MemoryRule(task="t", steps=1)])
    async with runs.workers():
        phase = await runs.outcome(array(), lists(a=[1, 2]), settings=settings)

    assert phase == "SUCCEEDED"
    assert sorted((attempt.element.index, attempt.memory_bytes) for attempt in runs.attempts) == [
        (0, 0), (1, 0), (1, 200)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (lists(a=[1, 2], b=[1]), "input arrays have different lengths: a has 2, b has 1"),
        (int_map(a=1, b=2), "no input array provided"),
    ],
)
async def test_inputs_that_cannot_be_mapped_over_fail_the_node(
    runs: EngineRuns, inputs: literals_pb2.LiteralMap, message: str
) -> None:
    async with runs.workers():
        assert await runs.outcome(array(inputs=("a", "b")), inputs) == "FAILED"

    error = runs.workflow_events[-1].error
    assert (error.code, error.message) == ("InvalidArrayLength", message)


async def test_an_empty_list_gives_an_empty_list(runs: EngineRuns) -> None:
    async with runs.workers():
        assert await runs.outcome(array(), lists(a=[])) == "SUCCEEDED"

    assert runs.outputs() == lists(o0=[])
    assert runs.attempts == []


async def test_echo_elements_need_no_attempt(runs: EngineRuns) -> None:
    graph = array(graph_pb2.Node(id="n0", task=graph_pb2.TaskNode(task=1)), takes_element=True)
    async with runs.workers():
        assert await runs.outcome(graph, lists(a=[4, 5])) == "SUCCEEDED"

    assert runs.outputs() == lists(o0=[4, 5])
    assert resources(runs) == {(0, 0): "SUCCEEDED", (1, 0): "SUCCEEDED"}


def sleeps(count: int) -> tuple[graph_pb2.Graph, literals_pb2.LiteralMap]:
    graph = array(graph_pb2.Node(id="n0", task=graph_pb2.TaskNode(task=2)), inputs=("duration",), takes_element=True)
    nap = task_summary("nap", "core-sleep")
    del nap.output_names[:]
    graph.tasks.append(nap)
    del graph.workflows[0].nodes[1].inputs[:]
    duration = literals_pb2.Literal(
        scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(duration=duration_pb2.Duration(nanos=10_000_000)))
    )
    return graph, lists(duration=[duration] * count)


async def test_many_elements_run_in_rows_of_their_own(runs: EngineRuns) -> None:
    graph, inputs = sleeps(1200)
    async with runs.workers():
        handle = await runs.start(graph, inputs)
        assert await runs.wait(handle) == "SUCCEEDED"

    runs.handles.append(runs.client.get_workflow_handle(f"{handle.id}:n0:0:1000"))
    assert set(resources(runs).values()) == {"SUCCEEDED"}
    assert len(resources(runs)) == 1200
    history = await handle.fetch_history()
    assert len(history.events) < 100


async def test_rows_of_which_nothing_is_shown_end_all_the_same(runs: EngineRuns) -> None:
    graph, inputs = sleeps(array_task_events.SHOWN + 500)

    async with runs.workers():
        handle = await runs.start(graph, inputs)
        phase = await runs.wait(handle)

    runs.handles[:] = [runs.client.get_workflow_handle(f"{handle.id}:n0:0:{array_task_events.SHOWN}")]
    assert phase == "SUCCEEDED"
    assert len(resources(runs)) == array_task_events.SHOWN


async def test_failures_of_all_rows_count(runs: EngineRuns) -> None:
    numbers = [-1 if number % 300 == 0 else number for number in range(1100)]
    async with runs.workers():
        assert await runs.outcome(array(min_successes=1096), lists(a=numbers)) == "SUCCEEDED"

    found = runs.outputs().literals["o0"].collection.literals
    assert [index for index, literal in enumerate(found) if literal == NONE] == [0, 300, 600, 900]
    assert found[1099] == integer(1100)


async def test_too_many_failures_in_one_row_stop_the_others(runs: EngineRuns) -> None:
    add = runs.default_script

    async def waits(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await (for_ever if attempt.element.index < 20 else add)(attempt)

    runs.default_script = waits
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 400
    async with runs.workers():
        handle = await runs.start(graph, lists(a=[*[1] * 500, -1, *[1] * 200]))
        phase = await runs.wait(handle)

    runs.handles.extend(runs.client.get_workflow_handle(f"{handle.id}:n0:0:{first}") for first in (0, 500))
    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.message == "[500]: Negative happened\n"
    assert resources(runs)[0, 0] == "ABORTED"


async def test_elements_of_a_launch_plan_are_executions(runs: EngineRuns) -> None:
    async def plus_one(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return succeeded(o0=attempt.inputs.literals.literals["a"].scalar.primitive.integer + 1)

    runs.default_script = plus_one
    runs.children["plan"] = chain(1)
    plan = identifier_pb2.Identifier(
        resource_type=identifier_pb2.LAUNCH_PLAN, project="p", domain="d", name="plan", version="v"
    )
    graph = array(graph_pb2.Node(id="n0", launch_plan=plan), takes_element=True)
    async with runs.workers():
        assert await runs.outcome(graph, lists(a=[1, 2, 3])) == "SUCCEEDED"

    assert [event.phase for event in runs.task_events if event.task_type == "container_array"] == []
    names = [request.create.name for request in runs.launched]
    assert len(set(names)) == 3
    parents = {request.create.spec.metadata.parent_node_execution.node_id for request in runs.launched}
    assert parents == {"n0"}
    ends = [event for event in runs.node_events if event.id.node_id == "n0"]
    assert ends[-1].output_uri.endswith("/n0/data/0/outputs.pb")
    assert runs.files[ends[-1].output_uri] == lists(o0=[2, 3, 4])


async def test_an_abort_stops_the_elements(runs: EngineRuns) -> None:
    runs.default_script = for_ever
    async with runs.workers():
        handle = await runs.start(array(), lists(a=[1, 2]))
        while len(runs.attempts) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await handle.cancel()
        assert await runs.wait(handle) == "ABORTED"

    assert runs.phases()["n0"][-1] == "ABORTED"
    assert task_phases(runs)[-1] == "ABORTED"
    assert set(resources(runs).values()) == {"ABORTED"}


async def test_an_array_may_be_followed_and_preceded_by_other_nodes(runs: EngineRuns) -> None:
    async def total(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return succeeded(o0=99)

    runs.scripts["n1"] = total
    graph = array()
    graph.workflows[0].nodes.append(task_node("n1", [2], [bind("a", "n0", "o0")]))
    graph.workflows[0].nodes[1].CopyFrom(body([], [bind("o0", "n1", "o0")], last=[3]).nodes[1])
    async with runs.workers():
        assert await runs.outcome(graph, lists(a=[1, 2])) == "SUCCEEDED"

    assert runs.outputs() == int_map(o0=99)
    follower = next(attempt for attempt in runs.attempts if attempt.node_event.spec_node_id == "n1")
    assert follower.inputs.literals == lists(a=[2, 3])


async def test_an_element_has_a_deadline_of_its_own(runs: EngineRuns) -> None:
    inner = graph_pb2.Node(id="n0", task=graph_pb2.TaskNode(task=0))
    inner.timeout.FromTimedelta(timedelta(seconds=30))
    async with runs.workers():
        await runs.outcome(array(inner), lists(a=[1]))

    assert runs.attempts[0].timeout.seconds == 30
