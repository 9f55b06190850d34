"""Launch plan nodes: each child has its own execution."""

from datetime import timedelta

import pytest

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.node.outcomes import USER, execution_error
from flytetemporal.workflows.nodes import launch_plan
from tests.fixtures.engine_runs import EngineRuns, bind, body, int_map, task_node, task_summary
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import boom, chain
from tests.integration.workflows.test_aborts import attempts, for_ever


def launching(times: int = 1) -> graph_pb2.Graph:
    """n0, n1, ... each launch the plan "child" with the output of the previous one."""
    nodes = [
        graph_pb2.Node(
            id=f"n{i}",
            upstream=[i + 1 if i else 0],
            inputs=[bind("a", f"n{i - 1}" if i else "start-node", "o0" if i else "a")],
            launch_plan={"name": "child", "project": "p", "domain": "d", "version": "v"},
        )
        for i in range(times)
    ]
    return graph_pb2.Graph(workflows=[body(nodes, [bind("o0", f"n{times - 1}", "o0")])])


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    engine_runs.children["child"] = graph_pb2.Graph(
        workflows=[body([task_node("c0", [0], [bind("a", "start-node", "a")])], [bind("o0", "c0", "o0")])],
        tasks=[task_summary()],
    )
    return engine_runs


async def test_a_child_gets_inputs_and_gives_outputs(runs: EngineRuns) -> None:
    async with runs.workers():
        handle = await runs.start(launching(2), int_map(a=1))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    name = handle.id.rpartition(":")[2]
    assert runs.files[f"memory://store/metadata/propeller/p-d-{name}/end-node/data/0/outputs.pb"] == int_map(o0=3)
    names = [request.create.name for request in runs.launched]
    assert len(set(names)) == 2
    metadata = runs.launched[0].create.spec.metadata
    assert (metadata.mode, metadata.parent_node_execution.node_id) == (metadata.CHILD_WORKFLOW, "n0")
    running = [e for e in runs.node_events if e.id.node_id == "n0" and e.HasField("workflow_node_metadata")]
    assert {event.workflow_node_metadata.execution_id.name for event in running} == {names[0]}


async def test_a_failed_child_fails_its_node_with_its_error(runs: EngineRuns) -> None:
    runs.scripts["c0"] = boom

    async with runs.workers():
        handle = await runs.start(launching(), int_map(a=1))
        phase = await runs.wait(handle)

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.code == "USER:Boom"


async def test_a_child_that_cannot_be_launched_is_the_users_error(runs: EngineRuns) -> None:
    runs.children["child"] = execution_error("RuntimeExecutionError", "invalid input a", USER)

    async with runs.workers():
        phase = await runs.outcome(launching(), int_map(a=1))

    assert phase == "FAILED"
    assert runs.workflow_events[-1].error.message == "invalid input a"


async def test_an_abort_reaches_the_child(runs: EngineRuns) -> None:
    runs.scripts["c0"] = for_ever

    async with runs.workers():
        handle = await runs.start(launching(), int_map(a=1))
        await bounded(attempts(runs, 1))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))
        child = runs.handles[1]
        assert await bounded(runs.wait(child)) == "ABORTED"

    assert phase == "ABORTED"
    name = handle.id.rpartition(":")[2]
    assert runs.terminated[0].cause == (
        f"cascading abort as parent execution id [{name}] aborted, reason [Workflow aborted.]"
    )


async def test_a_child_that_was_aborted_fails_its_node(runs: EngineRuns) -> None:
    runs.scripts["c0"] = for_ever

    async with runs.workers():
        handle = await runs.start(launching(), int_map(a=1))
        await bounded(attempts(runs, 1))
        await runs.handles[1].cancel()
        await bounded(runs.wait(handle))

    errors = [event.error.code for event in runs.workflow_events if event.HasField("error")]
    assert "RemoteChildWorkflowExecutionFailed" in errors


async def test_a_child_that_does_not_tell_its_end_is_asked(runs: EngineRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_plan, "FIRST_CHECK", timedelta(milliseconds=200))
    runs.children["child"] = chain(1)
    runs.scripts["n0"] = for_ever
    graph = launching()

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=1))
        await bounded(attempts(runs, 1))
        await runs.handles[1].terminate()
        name = runs.launched[0].create.name
        error = execution_error("Lost", "it was terminated", USER)
        runs.ends[name] = execution_pb2.ExecutionOutcome(phase="FAILED", error=error)
        phase = await bounded(runs.wait(handle))

    assert phase == "FAILED"
    assert runs.looked[-1] == name
    assert runs.workflow_events[-1].error.code == "Lost"


@pytest.mark.parametrize("fields", [None, ["interruptible", "labels"]])
async def test_a_child_inherits_what_its_parent_set_explicitly(runs: EngineRuns, fields: list[str] | None) -> None:
    settings = execution_pb2.ExecutionSettings(
        interruptible={"value": True}, labels={"values": {"team": "ml"}}, annotations={"values": {"a": "b"}}
    )
    if fields is not None:
        runs.inherited = execution_pb2.InheritedSettings(fields=fields)

    async with runs.workers():
        handle = await runs.start(launching(), int_map(a=1), max_parallelism=25, settings=settings)
        assert await runs.wait(handle) == "SUCCEEDED"

    spec = runs.launched[0].create.spec
    assert spec.interruptible.value
    assert spec.labels.values["team"] == "ml"
    assert spec.labels.values["execution-id"] == handle.id.rpartition(":")[2]
    # An execution from before the field existed passes on everything.
    everything = (25, {"a": "b"})
    assert (spec.max_parallelism, dict(spec.annotations.values)) == (everything if fields is None else (0, {}))
