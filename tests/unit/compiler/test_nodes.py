import pytest
from flyteidl.core import interface_pb2, literals_pb2, workflow_pb2
from google.protobuf import wrappers_pb2

from tests.fixtures import templates as t

X = t.const(1)
OUT = t.promise("n0", "o0")


APPROVE = workflow_pb2.GateNode(approve=workflow_pb2.ApproveCondition(signal_id="s"))
SIGNAL = workflow_pb2.GateNode(
    signal=workflow_pb2.SignalCondition(signal_id="s", type=t.INT, output_variable_name="o0")
)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (t.bare(task_node=workflow_pb2.TaskNode()), ["ValueRequired n0"]),
        (t.bare(workflow_node=workflow_pb2.WorkflowNode()), ["WorkflowReferenceNotFound n0"]),
        (t.bare(gate_node=workflow_pb2.GateNode()), ["NoConditionFound n0"]),
        (t.bare(gate_node=workflow_pb2.GateNode(signal=workflow_pb2.SignalCondition())), ["ValueRequired n0"] * 2),
        (t.bare(array_node=workflow_pb2.ArrayNode()), ["ValueRequired n0"]),
        (t.bare(branch_node=workflow_pb2.BranchNode()), ["ValueRequired n0"]),
        (t.node(ref="nosuch"), ["TaskReferenceNotFound n0", "TaskReferenceNotFound start-node"]),
        (t.sub_workflow_node("n0", "nosuch"), ["WorkflowReferenceNotFound n0"]),
        (t.launch_plan_node("n0", "nosuch"), ["WorkflowReferenceNotFound n0", "WorkflowReferenceNotFound start-node"]),
        (t.branch("n0", t.case(t.node("c"))), ["BranchNodeHasNoDefault n0"]),
        (t.branch("n0", None, otherwise=t.node("c")), ["BranchNodeHasNoCondition n0"]),
        (t.branch("n0", t.case(None), otherwise=t.node("c")), ["BranchNodeIdNotFound n0"]),
        (t.branch("n0", t.case(t.node("c"), t.condition(".zz")), error="e"), ["VariableNameNotFound n0"]),
        (t.branch("n0", t.case(t.node("c"), t.condition(right="s")), error="e"), ["MismatchingTypes n0"]),
        (t.branch("n0", t.case(t.node("c", [])), error="e"), ["ParameterNotBound n0-c"]),
        (
            t.branch("n0", t.case(t.node("c")), otherwise=t.node("d", [t.bind("x", t.const("s"))], ref="str")),
            ["MismatchingTypes n0"],
        ),
    ],
)
def test_a_node_that_lacks_something_is_a_problem(node: workflow_pb2.Node, expected: list[str]) -> None:
    assert t.problems(t.workflow(nodes=[node])) == expected


def test_a_condition_without_expression_or_operands_is_a_problem() -> None:
    blank = workflow_pb2.IfBlock(then_node=t.node("c"))
    half = workflow_pb2.IfBlock(then_node=t.node("d"))
    half.condition.comparison.left_value.var = ".a"

    assert t.problems(t.workflow(nodes=[t.branch("n0", blank, half, error="e")])) == ["ValueRequired n0"] * 2


@pytest.mark.parametrize("right", [None, 1])
def test_an_optional_value_may_be_compared_to_none_and_to_its_type(right: int | None) -> None:
    node = t.branch("n0", t.case(t.node("c", [t.bind("a", X)]), t.condition(right=right)), error="e")

    assert t.compiles(t.workflow(nodes=[node], inputs={"a": t.OPTIONAL}))


PLAN = t.launch_plan(
    "plan",
    {
        "a": interface_pb2.Parameter(var=interface_pb2.Variable(type=t.INT), required=True),
        "b": interface_pb2.Parameter(
            var=interface_pb2.Variable(type=t.INT), default=literals_pb2.Literal(scalar=t.scalar(1))
        ),
    },
    {"o0": t.INT},
)


def test_a_launch_plan_wants_its_required_inputs_and_takes_those_with_a_default() -> None:
    bound = [t.A, t.bind("b", X)]

    assert t.compiles(t.workflow(nodes=[t.launch_plan_node("n0", "plan")]), launch_plans=[PLAN])
    assert t.compiles(t.workflow(nodes=[t.launch_plan_node("n0", "plan", bound)]), launch_plans=[PLAN])
    assert t.problems(t.workflow(nodes=[t.launch_plan_node("n0", "plan", bound[1:])]), launch_plans=[PLAN]) == [
        "ParameterNotBound n0"
    ]
    fixed = t.launch_plan_node("n0", "plan", [t.A, t.bind("fixed", X)])
    assert t.problems(t.workflow(nodes=[fixed]), launch_plans=[PLAN]) == ["VariableNameNotFound n0"]


def array_over_plan(ratio: float = 1) -> workflow_pb2.Node:
    array = workflow_pb2.ArrayNode(
        node=t.launch_plan_node("n0", "plan", []),
        min_success_ratio=ratio,
        is_original_sub_node_interface=wrappers_pb2.BoolValue(value=True),
        bound_inputs=["b"],
    )
    return t.bare("n0", t.bind("a", t.listed(X, X)), t.bind("b", X), array_node=array)


def test_an_array_over_a_launch_plan_takes_and_returns_lists() -> None:
    result = t.bind("o0", OUT)
    optional = t.LiteralType(collection_type=t.OPTIONAL)

    assert t.compiles(
        t.workflow(nodes=[array_over_plan()], outputs={"o0": t.LIST}, bound=[result]), launch_plans=[PLAN]
    )
    assert t.compiles(
        t.workflow(nodes=[array_over_plan(0.5)], outputs={"o0": optional}, bound=[result]), launch_plans=[PLAN]
    )
    assert t.problems(
        t.workflow(nodes=[array_over_plan(0.5)], outputs={"o0": t.LIST}, bound=[result]), launch_plans=[PLAN]
    ) == ["MismatchingTypes end-node"]


def test_an_array_over_a_task_keeps_the_interface_of_the_task() -> None:
    array = workflow_pb2.ArrayNode(node=t.node("inner", ref="list"))
    nodes = [t.bare("n0", t.bind("x", t.listed(X)), array_node=array)]

    assert t.compiles(t.workflow(nodes=nodes, outputs={"o0": t.LIST}, bound=[t.bind("o0", OUT)]))


def test_gates_pass_on_what_they_approve_or_receive() -> None:
    approve = t.bare("ok", t.bind("value", t.promise("", "a")), gate_node=APPROVE)
    signal = t.bare("ask", gate_node=SIGNAL)
    after = [
        t.node("n0", [t.bind("a", t.promise("ok", "value"))]),
        t.node("n1", [t.bind("a", t.promise("ask", "o0"))]),
    ]

    closure = t.compiled(t.workflow(nodes=[approve, signal, *after]))

    assert list(closure.primary.connections.upstream["n0"].ids) == ["ok"]
    assert list(closure.primary.connections.upstream["n1"].ids) == ["ask"]
