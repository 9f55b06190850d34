"""Which nodes a fork reuses, at all levels of a workflow."""

from collections.abc import Iterable
from typing import Any

import pytest
from flyteidl.admin import node_execution_pb2
from flyteidl.core import condition_pb2, identifier_pb2, interface_pb2, types_pb2

from flytetemporal import errors
from flytetemporal.admin.forks.fitting import Definition
from flytetemporal.admin.forks.planning import Asked, Plan, Planner
from flytetemporal.admin.forks.sources import SourceNode, SourceNodes
from flytetemporal.contracts.v1 import graph_pb2
from tests.fixtures.engine_runs import bind, body, task_node, task_summary

INT, STR = types_pb2.LiteralType(simple=types_pb2.INTEGER), types_pb2.LiteralType(simple=types_pb2.STRING)
CHILD = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="child")
TASK = (int(identifier_pb2.TASK), ("p", "d", "t", "v"))


def row(node_id: str, phase: str = "SUCCEEDED", parent: str = "", attempt: int = 0, **closure: Any) -> SourceNode:
    """A node of the source; its place in the graph is in its id."""
    message = node_execution_pb2.NodeExecution(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id),
        input_uri=f"{node_id}/inputs.pb",
        closure=node_execution_pb2.NodeExecutionClosure(phase=phase, output_uri=f"{node_id}/outputs.pb", **closure),
    )
    message.metadata.spec_node_id = node_id.removeprefix(f"{parent}-{attempt}-")
    if parent:
        message.metadata.retry_group = str(attempt)
    return SourceNode(message, parent, "")


def definition(
    nodes: list[graph_pb2.Node],
    *below: graph_pb2.WorkflowGraph,
    version: str = "v1",
    output: types_pb2.LiteralType = INT,
) -> Definition:
    graph = graph_pb2.Graph(
        workflows=[body(nodes, []), *below], tasks=[task_summary(), task_summary("u"), task_summary("m")]
    )
    variable = interface_pb2.Variable(type=output)
    outputs = interface_pb2.VariableMap(variables={"o0": variable})
    return Definition(version, graph, {TASK: interface_pb2.TypedInterface(outputs=outputs)})


def chain(count: int, first: int = 2) -> list[graph_pb2.Node]:
    """Nodes n0, n1 ... each of which takes the output of the one before."""
    nodes = [task_node("n0", [0], [bind("a", "start-node", "a")])]
    nodes += [task_node(f"n{i}", [first + i - 1], [bind("a", f"n{i - 1}", "o0")]) for i in range(1, count)]
    return nodes


def planned(
    new: Definition,
    rows: Iterable[SourceNode],
    *from_nodes: str,
    changed: Iterable[str] = (),
    old: Definition | None = None,
    generated: dict[str, graph_pb2.Graph] | None = None,
    open_children: Iterable[str] = (),
) -> Plan:
    asked = Asked("e", frozenset(from_nodes), tuple(changed), has_version=old is not None)
    nodes = SourceNodes({node.id: node for node in rows})
    return Planner(asked, nodes, generated or {}, frozenset(open_children)).plan(new, old or new)


def reused(plan: Plan) -> dict[str, list[str]]:
    """The ids of the nodes whose outputs are reused, by level."""
    return {level.parent_id: [node.node_id for node in level.nodes if node.has_outputs] for level in plan.reused.levels}


def subworkflow(node_id: str = "n1", upstream: int = 2) -> graph_pb2.Node:
    inputs = [bind("a", "n0", "o0")]
    target = graph_pb2.SubworkflowNode(workflow=1)
    return graph_pb2.Node(id=node_id, name=node_id, upstream=[upstream], inputs=inputs, subworkflow=target)


def nested() -> Definition:
    """n0, then a subworkflow n1 with two nodes, then n2."""
    last = task_node("n2", [3], [bind("a", "n1", "o0")])
    return definition([chain(1)[0], subworkflow(), last], body(chain(2), [], name="sub"))


NESTED = [row("n0"), row("n1"), row("n1-0-n0", parent="n1"), row("n1-0-n1", parent="n1"), row("n2")]


def test_a_subworkflow_that_failed_is_entered() -> None:
    rows = [row("n0"), row("n1", "FAILED"), row("n1-0-n0", parent="n1"), row("n1-0-n1", "FAILED", parent="n1")]

    plan = planned(nested(), rows)

    assert reused(plan) == {"": ["n0"], "n1": ["n1-0-n0"]}
    assert plan.nodes["n1-0-n1"].reason == "it is FAILED in e"


def test_a_node_below_a_subworkflow_can_be_named() -> None:
    plan = planned(nested(), NESTED, "n1-0-n1")

    assert reused(plan) == {"": ["n0"], "n1": ["n1-0-n0"]}
    assert plan.nodes["n1"].reason == "a node below it runs again"
    assert plan.nodes["n2"].reason == "it runs after n1"


def test_a_subworkflow_that_is_named_runs_whole() -> None:
    assert reused(planned(nested(), NESTED, "n1")) == {"": ["n0"]}
    assert reused(planned(nested(), NESTED, "n1", "n1-0-n1")) == {"": ["n0"]}


def test_a_subworkflow_that_succeeded_is_reused_without_a_look_below() -> None:
    plan = planned(nested(), NESTED)

    assert reused(plan) == {"": ["n0", "n1", "n2"]}
    assert plan.reused_count == 3


def test_nodes_of_another_attempt_are_no_place_to_start_from() -> None:
    rows = [*NESTED[:2], row("n1-1-n0", parent="n1", attempt=1)]

    with pytest.raises(errors.FailedPrecondition, match="is part of attempt 1 of n1"):
        planned(nested(), rows, "n1-1-n0")


def test_nodes_of_what_was_reused_are_those_of_another_execution() -> None:
    rows = [row("n0"), row("n1", "RECOVERED"), row("n2")]

    with pytest.raises(errors.NotFound, match="which reuses n1 of the execution that it recovers or forks"):
        planned(nested(), rows, "n1-0-n1")


def branch() -> Definition:
    """n0, then a branch n1 whose cases run n2 and n3; n3 needs m0, too."""
    cases = [
        graph_pb2.BranchCase(condition=condition_pb2.BooleanExpression(), node=task_node("n2", [2], [])),
        graph_pb2.BranchCase(
            condition=condition_pb2.BooleanExpression(), node=task_node("n3", [4], [bind("a", "m0", "o0")])
        ),
    ]
    node = graph_pb2.Node(
        id="n1", upstream=[2], inputs=[bind("a", "n0", "o0")], branch=graph_pb2.BranchNode(cases=cases)
    )
    return definition([chain(1)[0], node, task_node("m0", [0], [bind("b", "start-node", "b")])])


def test_the_child_of_a_branch_that_failed_is_entered() -> None:
    rows = [row("n0"), row("m0"), row("n1", "FAILED"), row("n1-0-n3", "FAILED", parent="n1")]

    plan = planned(branch(), rows)

    assert reused(plan) == {"": ["n0", "m0"], "n1": []}
    assert "n1-0-n2" not in plan.nodes


def test_a_branch_runs_again_after_what_its_children_need() -> None:
    rows = [row("n0"), row("m0"), row("n1"), row("n1-0-n3", parent="n1")]

    assert reused(planned(branch(), rows, "m0")) == {"": ["n0"]}
    assert reused(planned(branch(), rows, changed=["b"])) == {"": ["n0"]}


def test_a_dynamic_node_that_failed_keeps_the_workflow_that_it_generated() -> None:
    futures = "e/n0/data/1/futures.pb"
    generated = graph_pb2.Graph(workflows=[body(chain(2), [])], tasks=[task_summary()])
    rows = [
        row("n0", "FAILED", dynamic_job_spec_uri=futures),
        row("n0-1-n0", parent="n0", attempt=1),
        row("n0-1-n1", "FAILED", parent="n0", attempt=1),
    ]

    plan = planned(definition(chain(1)), rows, generated={"n0": generated})

    assert reused(plan) == {"": [], "n0": ["n0-1-n0"]}
    assert plan.reused.levels[0].nodes[0].futures_uri == futures


def test_a_node_below_a_dynamic_node_can_be_named() -> None:
    generated = graph_pb2.Graph(workflows=[body(chain(2), [])], tasks=[task_summary()])
    rows = [
        row("n0", dynamic_job_spec_uri="e/n0/data/0/futures.pb"),
        row("n0-0-n0", parent="n0"),
        row("n0-0-n1", parent="n0"),
    ]

    plan = planned(definition(chain(1)), rows, "n0-0-n1", generated={"n0": generated})

    assert reused(plan) == {"": [], "n0": ["n0-0-n0"]}
    with pytest.raises(errors.FailedPrecondition, match="were generated by version v1"):
        planned(definition(chain(1), version="v2"), rows, "n0-0-n1", old=definition(chain(1)))


def array() -> Definition:
    inner = graph_pb2.Node(id="n0", task=graph_pb2.TaskNode(task=2))
    return definition([graph_pb2.Node(id="n0", upstream=[0], array=graph_pb2.ArrayNode(node=inner))])


def test_elements_are_reused_unless_the_array_is_named() -> None:
    failed = planned(array(), [row("n0", "FAILED")])
    named = planned(array(), [row("n0", "FAILED")], "n0")

    assert [node.elements for node in failed.reused.levels[0].nodes] == [True]
    assert not named.reused.levels[0].nodes


def launch_plan() -> Definition:
    plan = identifier_pb2.Identifier(name="plan")
    return definition([graph_pb2.Node(id="n0", upstream=[0], launch_plan=plan)])


def test_the_child_of_a_launch_plan_node_is_recovered_if_it_has_ended() -> None:
    metadata = node_execution_pb2.WorkflowNodeMetadata(executionId=CHILD)
    rows = [row("n0", "FAILED", workflow_node_metadata=metadata)]

    assert planned(launch_plan(), rows).reused.levels[0].nodes[0].child == CHILD
    assert not planned(launch_plan(), rows, open_children=["n0"]).reused.levels[0].nodes
    assert not planned(launch_plan(), rows, "n0").reused.levels[0].nodes
    assert not planned(launch_plan(), rows, old=launch_plan()).reused.levels[0].nodes


def test_a_checkpoint_is_kept_only_for_the_same_version() -> None:
    metadata = node_execution_pb2.TaskNodeMetadata(checkpoint_uri="e/checkpoints")
    rows = [row("n0", "FAILED", task_node_metadata=metadata)]
    one = definition(chain(1))

    assert planned(one, rows).reused.levels[0].nodes[0].checkpoint_uri == "e/checkpoints"
    assert not planned(one, rows, old=definition(chain(1))).reused.levels[0].nodes


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (task_node("n0", [0], [bind("a", "start-node", "a")], task=1), "it runs u and ran t in version v1"),
        (
            task_node("n0", [0], [bind("a", "start-node", "b")]),
            "its inputs are bound to other values than in version v1",
        ),
        (task_node("n9", [0], []), "it does not exist in version v1"),
        (
            graph_pb2.Node(id="n0", upstream=[0], inputs=[bind("a", "start-node", "a")], launch_plan={}),
            "it is a launch plan node and was a task in version v1",
        ),
    ],
    ids=["another task", "other bindings", "new", "another kind"],
)
def test_a_node_that_does_not_fit_the_version_runs_again(node: graph_pb2.Node, reason: str) -> None:
    plan = planned(definition([node], version="v2"), [row("n0")], old=definition(chain(1)))

    assert plan.nodes[node.id].reason == reason
    assert reused(plan) == {"": []}


def test_outputs_whose_type_changed_are_not_reused() -> None:
    new = definition(chain(2), version="v2", output=STR)

    plan = planned(new, [row("n0"), row("n1")], old=definition(chain(2)))

    assert plan.nodes["n0"].reason == "its output o0 has type simple:STRING and simple:INTEGER in version v1"


def test_a_subworkflow_that_does_not_fit_cannot_be_entered() -> None:
    other = nested()
    other.graph.workflows[0].nodes[3].inputs[0].var = "b"

    with pytest.raises(errors.FailedPrecondition, match="nothing below node n1 can be reused, since its inputs"):
        planned(other, NESTED, "n1-0-n1", old=nested())
    assert reused(planned(other, NESTED, old=nested())) == {"": ["n0"]}
