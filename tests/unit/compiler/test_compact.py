import datetime as dt

import pytest
from flyteidl.core import compiler_pb2, workflow_pb2
from google.protobuf import wrappers_pb2
from hypothesis import given

from flytetemporal import errors
from flytetemporal.compiler import task
from flytetemporal.compiler.compact import compact
from flytetemporal.compiler.workflow import compile_workflow
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import times
from tests import strategies
from tests.fixtures import templates as t


def compacted(
    template: workflow_pb2.WorkflowTemplate, *sub_workflows: workflow_pb2.WorkflowTemplate
) -> graph_pb2.Graph:
    return compact(compile_workflow(template, sub_workflows, t.TASKS, []))[0]


@given(strategies.dags())
def test_the_edges_of_a_random_workflow_are_those_it_was_built_from(dag: strategies.Dag) -> None:
    compiled_task = task.compile_task(strategies.SUM_TASK)

    graph, templates = compact(compile_workflow(dag.template, [], [compiled_task], []))

    nodes = graph.workflows[0].nodes
    edges = {(nodes[position].id, node.id) for node in nodes for position in node.upstream}
    own = {edge for edge in edges if "start-node" not in edge and "end-node" not in edge}
    consumers, providers = {edge[1] for edge in dag.edges}, {edge[0] for edge in dag.edges}
    assert own == dag.edges
    assert {edge[1] for edge in edges if edge[0] == "start-node"} >= {n.id for n in nodes[2:]} - consumers
    assert {edge[0] for edge in edges if edge[1] == "end-node"} >= {n.id for n in nodes[2:]} - providers
    assert [node.id for node in nodes[2:]] == [node.id for node in dag.template.nodes]
    assert list(templates.tasks) == [compiled_task.template]


def test_start_and_end_come_first_and_positions_ascend() -> None:
    nodes = [t.node("n0"), t.node("n1", [t.bind("a", t.promise("n0", "o0"))], upstream=["start-node"])]

    graph = compacted(t.workflow(nodes=nodes)).workflows[0]

    assert [node.id for node in graph.nodes] == ["start-node", "end-node", "n0", "n1"]
    assert [node.WhichOneof("target") for node in graph.nodes] == ["start", "end", "task", "task"]
    assert [list(node.upstream) for node in graph.nodes] == [[], [3], [0], [0, 2]]


def test_a_node_keeps_its_policies() -> None:
    node = t.node()
    node.metadata.retries.retries = 3
    node.metadata.timeout.CopyFrom(times.duration(dt.timedelta(minutes=1)))
    node.metadata.interruptible = False
    node.task_node.overrides.container_image = "other:1"
    node.output_aliases.add(var="o0", alias="x")

    kept = compacted(t.workflow(nodes=[node, t.node("n1")])).workflows[0].nodes[2:]

    assert (kept[0].name, kept[0].retries, kept[0].timeout.seconds) == ("n0", 3, 60)
    assert kept[0].HasField("interruptible")
    assert not kept[1].HasField("interruptible")
    assert not kept[1].HasField("timeout")
    assert kept[0].task.overrides.container_image == "other:1"
    assert kept[0].output_aliases[0].alias == "x"


def limited(name: str = "t") -> compiler_pb2.CompiledTask:
    """A task with policies of its own."""
    template = t.task_template(name)
    template.metadata.timeout.FromTimedelta(dt.timedelta(minutes=5))
    template.metadata.interruptible = True
    return task.compile_task(template)


def policies(node: graph_pb2.Node) -> tuple[int, bool]:
    return node.timeout.seconds, node.interruptible.value


def test_what_a_node_leaves_open_is_as_its_task_says() -> None:
    own = t.node("n1")
    own.metadata.timeout.SetInParent()
    own.metadata.interruptible = False
    mapping = workflow_pb2.Node(id="n2", inputs=[t.A], array_node=workflow_pb2.ArrayNode(node=t.node("inner")))
    template = t.workflow(nodes=[t.node("n0"), own, mapping, t.branch("n3", t.case(t.node("c")), error="none")])
    template.failure_node.CopyFrom(t.node("efn"))

    graph = compact(compile_workflow(template, [], [limited()], []))[0].workflows[0]

    first, second, array, branch = graph.nodes[2:]
    assert policies(first) == policies(array.array.node) == policies(graph.failure_node) == (300, True)
    assert policies(branch.branch.cases[0].node) == (300, True)
    assert policies(second) == (0, False)
    assert second.HasField("timeout")
    assert not array.HasField("timeout")


def test_children_of_a_branch_stay_inside_and_wait_for_positions_outside() -> None:
    after = [t.bind("a", t.promise("n0", "o0"))]
    sibling = t.node("d", [t.bind("a", t.promise("n1-c", "o0"))])
    branch = t.branch("n1", t.case(t.node("c", after)), t.case(sibling), error="none fits")

    graph = compacted(t.workflow(nodes=[t.node(), branch])).workflows[0]

    stripped = graph.nodes[3].branch
    assert [case.node.id for case in stripped.cases] == ["n1-c", "n1-d"]
    assert [list(case.node.upstream) for case in stripped.cases] == [[2], []]
    assert stripped.cases[0].condition == branch.branch_node.if_else.case.condition
    assert stripped.error.message == "none fits"


def test_a_nested_branch_and_an_else_node_are_kept() -> None:
    inner = t.branch("b", t.case(t.node("c")), otherwise=t.node("d"))

    graph = compacted(t.workflow(nodes=[t.branch("n0", t.case(inner), otherwise=t.node("e"))])).workflows[0]

    assert graph.nodes[2].branch.else_node.id == "n0-e"
    assert graph.nodes[2].branch.cases[0].node.branch.else_node.id == "n0-b-d"


def test_each_subworkflow_that_is_reached_stands_once_after_the_primary() -> None:
    leaf = t.workflow("leaf", [t.node()])
    middle = t.workflow("middle", [t.sub_workflow_node("n0", "leaf")])
    unused = t.workflow("unused", [t.node(ref="str", inputs=[t.bind("x", t.const("s"))])])
    nodes = [
        t.sub_workflow_node("n0", "middle"),
        t.sub_workflow_node("n1", "leaf"),
        t.sub_workflow_node("n2", "middle"),
    ]

    graph = compacted(t.workflow(nodes=nodes), unused, leaf, middle)

    assert [workflow.id.name for workflow in graph.workflows] == ["w", "middle", "leaf"]
    assert [node.subworkflow.workflow for node in graph.workflows[0].nodes[2:]] == [1, 2, 1]
    assert [summary.id.name for summary in graph.tasks] == ["t"]


def test_gates_arrays_and_the_failure_node_are_kept() -> None:
    gate = workflow_pb2.GateNode(sleep=workflow_pb2.SleepCondition(duration=times.duration(dt.timedelta(seconds=5))))
    array = workflow_pb2.ArrayNode(
        node=t.node("n1", ref="list", inputs=[]), parallelism=3, min_success_ratio=0.5, bound_inputs=["y"]
    )
    nodes = [t.bare("n0", gate_node=gate), t.bare("n1", t.bind("x", t.listed(t.const(1))), array_node=array)]
    template = t.workflow(nodes=nodes, on_failure=t.node("fn0"))
    template.metadata.on_failure = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE
    template.metadata_defaults.interruptible = True

    graph = compacted(template).workflows[0]

    assert graph.nodes[2].gate == gate
    assert graph.nodes[3].array == graph_pb2.ArrayNode(
        node=graph_pb2.Node(id="n1", name="n1", task=graph_pb2.TaskNode(task=0)),
        parallelism=wrappers_pb2.UInt32Value(value=3),
        min_success_ratio=0.5,
        bound_inputs=["y"],
    )
    assert (graph.failure_node.id, graph.failure_node.task.task) == ("fn0", 1)
    assert graph.interruptible
    assert graph.on_failure == workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE


def test_a_task_is_summarised() -> None:
    template = t.task_template("t", {"b": t.INT, "a": t.INT}, {})
    template.metadata.retries.retries = 2
    template.metadata.discoverable = True
    template.metadata.generates_deck.value = False
    template.metadata.is_eager = True
    node = t.node(inputs=[t.A, t.bind("b", t.const(1))])

    (summary,) = compact(compile_workflow(t.workflow(nodes=[node]), [], [task.compile_task(template)], []))[0].tasks

    assert summary == graph_pb2.TaskSummary(
        id=template.id,
        type="python-task",
        retries=2,
        discoverable=True,
        generates_deck=wrappers_pb2.BoolValue(value=False),
        input_names=["a", "b"],
        is_eager=True,
    )


def test_a_launch_plan_is_kept_by_its_identifier() -> None:
    plan = t.launch_plan("plan", {}, {})
    template = t.workflow(nodes=[t.launch_plan_node("n0", "plan", [])])

    graph, _ = compact(compile_workflow(template, [], [], [plan]))

    assert graph.workflows[0].nodes[2].launch_plan == plan.id


def test_a_closure_that_lacks_what_it_refers_to_is_our_fault() -> None:
    template = t.workflow(nodes=[t.node(), t.sub_workflow_node("n1", "nosuch")])
    closure = compiler_pb2.CompiledWorkflowClosure(primary=compiler_pb2.CompiledWorkflow(template=template))

    with pytest.raises(errors.Internal, match="lacks the task"):
        compact(closure)
    closure.tasks.append(t.T)
    with pytest.raises(errors.Internal, match="lacks the workflow"):
        compact(closure)
