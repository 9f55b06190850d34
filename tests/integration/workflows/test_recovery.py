"""Recovery: nodes that succeeded in the recovered execution do not run again; their outputs are used by reference."""

import pytest
from flyteidl.core import identifier_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures.engine_runs import EngineRuns, bind, body, constant, int_map, succeeded, task_node, task_summary
from tests.integration.workflows.graphs import chain, nested
from tests.integration.workflows.test_arrays import array, lists
from tests.integration.workflows.test_dynamic import made, returns_a_workflow

OLD = "memory://store/metadata/propeller/p-d-old"


def earlier(runs: EngineRuns, node_id: str, output: int) -> execution_pb2.EarlierNode:
    """A node that succeeded, with its output in the store."""
    uri = f"{OLD}/{node_id}/data/0/outputs.pb"
    runs.files[uri] = int_map(o0=output)
    inputs = f"{OLD}/{node_id}/data/inputs.pb"
    return execution_pb2.EarlierNode(node_id=node_id, has_outputs=True, input_uri=inputs, output_uri=uri)


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    engine_runs.recovered_from = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="old")
    return engine_runs


async def takes_stored_inputs(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return succeeded(o0=21)


async def test_nodes_that_succeeded_are_recovered_by_reference(runs: EngineRuns) -> None:
    runs.scripts["n2"] = takes_stored_inputs
    runs.earlier[""] = [earlier(runs, "n0", 10), earlier(runs, "n1", 20)]

    async with runs.workers():
        phase = await runs.outcome(chain(3), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.node_event.id.node_id for attempt in runs.attempts] == ["n2"]
    phases = runs.phases()
    assert (phases["n0"], phases["n1"]) == (["RECOVERED"], ["RECOVERED"])
    recovered = next(event for event in runs.node_events if event.id.node_id == "n1")
    assert recovered.output_uri == f"{OLD}/n1/data/0/outputs.pb"
    assert recovered.input_uri == f"{OLD}/n1/data/inputs.pb"
    assert recovered.HasField("task_node_metadata")
    deferred = runs.attempts[0].inputs.deferred
    assert deferred.sources["n1"].uri == recovered.output_uri


async def test_a_level_is_read_once_and_in_pages(runs: EngineRuns) -> None:
    count = 250
    nodes = [task_node(f"n{i}", [0], [bind("a", "start-node", "a")]) for i in range(count)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n7", "o0")])], tasks=[task_summary()])
    runs.earlier[""] = [earlier(runs, f"n{i}", i) for i in range(count)]
    runs.earlier_page = 100

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1), max_parallelism=5)

    assert phase == "SUCCEEDED"
    assert runs.levels_read == ["", "", ""]
    assert runs.attempts == []
    assert runs.outputs() == int_map(o0=7)


async def test_a_subworkflow_that_failed_keeps_its_nodes_that_succeeded(runs: EngineRuns) -> None:
    sub = body(
        [
            task_node("n0", [0], [bind("a", "start-node", "a")]),
            task_node("n1", [2], [bind("a", "n0", "o0")]),
        ],
        [bind("o0", "n1", "o0")],
        name="sub",
    )
    node = graph_pb2.Node(
        id="n0",
        name="n0",
        upstream=[0],
        inputs=[bind("a", "start-node", "a")],
        subworkflow=graph_pb2.SubworkflowNode(workflow=1),
    )
    graph = graph_pb2.Graph(workflows=[body([node], [bind("o0", "n0", "o0")]), sub], tasks=[task_summary()])
    runs.earlier["n0"] = [earlier(runs, "n0-0-n0", 10)]

    async with runs.workers():
        phase = await runs.outcome(graph, int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.node_event.id.node_id for attempt in runs.attempts] == ["n0-0-n1"]
    assert runs.phases()["n0-0-n0"] == ["RECOVERED"]


async def test_a_dynamic_node_that_failed_is_not_generated_again(runs: EngineRuns) -> None:
    runs.scripts["n0"] = returns_a_workflow
    runs.dynamic["n0"] = made(
        task_node("dn0", [0], [constant("a", 40)]), task_node("dn1", [2], [constant("a", 1)]), output="dn1"
    )
    futures = f"{OLD}/n0/data/1/futures.pb"
    inputs = f"{OLD}/n0/data/inputs.pb"
    runs.earlier[""] = [execution_pb2.EarlierNode(node_id="n0", futures_uri=futures, input_uri=inputs)]
    runs.earlier["n0"] = [earlier(runs, "n0-1-dn0", 10)]

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.node_event.id.node_id for attempt in runs.attempts] == ["n0-1-dn1"]
    assert runs.phases()["n0-1-dn0"] == ["RECOVERED"]
    assert [request.futures_dir for request in runs.compiled] == [f"{OLD}/n0/data/1"]
    first = next(event for event in runs.node_events if event.id.node_id == "n0")
    assert first.input_uri == inputs, "no attempt writes its own"


async def test_a_node_does_not_take_the_outputs_of_another_one_that_had_its_id(runs: EngineRuns) -> None:
    """Ids of long names are hashes of 32 bits: which of two names gets one depends on which starts first."""
    another, same = earlier(runs, "n0", 10), earlier(runs, "n1", 20)
    another.spec_node_id, same.spec_node_id = "another", "n1"
    runs.earlier[""] = [another, same]

    async with runs.workers():
        phase = await runs.outcome(chain(2), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.node_event.id.node_id for attempt in runs.attempts] == ["n0"]
    assert runs.phases()["n1"] == ["RECOVERED"]


async def test_nothing_below_such_a_node_is_taken_from_another_one_in_later_runs_either(runs: EngineRuns) -> None:
    runs.history_events = 60
    another = earlier(runs, "n0", 10)
    another.spec_node_id = "another"
    another.has_outputs = False
    another.checkpoint_uri = f"{OLD}/_checkpoints"
    runs.earlier[""] = [another]
    runs.earlier["n0"] = [earlier(runs, f"n0-0-n{i}", i) for i in range(20)]
    inner = [
        task_node(f"n{i}", [i + 1 if i else 0], [bind("a", f"n{i - 1}" if i else "start-node", "o0" if i else "a")])
        for i in range(20)
    ]

    async with runs.workers():
        handle = await runs.start(nested(*inner), int_map(a=1))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert len(await runs.histories(handle)) > 1
    assert len(runs.attempts) == 20


async def test_a_task_that_failed_gets_its_checkpoint(runs: EngineRuns) -> None:
    runs.earlier[""] = [execution_pb2.EarlierNode(node_id="n0", checkpoint_uri="memory://store/data/old/_checkpoints")]

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.previous_checkpoint_dir for attempt in runs.attempts] == ["memory://store/data/old/_checkpoints"]


async def test_the_child_of_a_launch_plan_node_that_failed_is_recovered(runs: EngineRuns) -> None:
    plan = identifier_pb2.Identifier(
        resource_type=identifier_pb2.LAUNCH_PLAN, project="p", domain="d", name="plan", version="v"
    )
    node = graph_pb2.Node(id="n0", name="n0", upstream=[0], inputs=[bind("a", "start-node", "a")], launch_plan=plan)
    graph = graph_pb2.Graph(workflows=[body([node], [bind("o0", "n0", "o0")])], tasks=[task_summary()])
    runs.children["plan"] = chain(1)
    old = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="oldchild")
    runs.earlier[""] = [execution_pb2.EarlierNode(node_id="n0", child=old)]

    async with runs.workers():
        await runs.outcome(graph, int_map(a=1))

    assert [request.create.spec.metadata.reference_execution for request in runs.launched] == [old]


async def test_a_recovery_continues_as_new(runs: EngineRuns) -> None:
    runs.history_events = 60
    runs.earlier[""] = [earlier(runs, f"n{i}", i) for i in range(0, 30, 2)]

    async with runs.workers():
        handle = await runs.start(chain(30), int_map(a=1))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert len(await runs.histories(handle)) > 1
    assert {attempt.node_event.id.node_id for attempt in runs.attempts} == {f"n{i}" for i in range(1, 30, 2)}


@pytest.mark.parametrize("size", [3, 501], ids=["in the execution", "in shards"])
async def test_elements_that_succeeded_do_not_run_again(runs: EngineRuns, size: int) -> None:
    runs.default_script = takes_stored_inputs
    runs.earlier_elements = {index: int_map(o0=index) for index in range(size) if index != 1}

    async with runs.workers():
        phase = await runs.outcome(array(), lists(a=list(range(size))))

    assert phase == "SUCCEEDED"
    assert [attempt.element.index for attempt in runs.attempts] == [1]
    if size == 3:
        found = [item.scalar.primitive.integer for item in runs.outputs().literals["o0"].collection.literals]
        assert found == [0, 21, 2]
