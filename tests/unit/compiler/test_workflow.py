import pytest
from flyteidl.core import compiler_pb2, identifier_pb2, interface_pb2, workflow_pb2

from flytetemporal import errors
from flytetemporal.compiler.workflow import compile_workflow
from tests.fixtures import templates as t

OUT = t.promise("n0", "o0")


def test_two_nodes_of_one_id_are_a_problem() -> None:
    assert t.problems(t.workflow(nodes=[t.node(), t.node()])) == ["DuplicateId n0"]


@pytest.mark.parametrize("name", ["start-node", "end-node"])
def test_a_node_named_like_a_sentinel_is_a_problem(name: str) -> None:
    assert t.problems(t.workflow(nodes=[t.node(name), t.node()])) == [f"DuplicateId {name}"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (".", "."),
        ("..", ".."),
        ("../../x", "../../x"),
        ("a/b", "a/b"),
        ("a\0b", "a?b"),
        ("a\nb", "a?b"),
        ("\x85", "?"),
        ("x" * 256, "x" * 64),
        ("é" * 128, "é" * 64),
    ],
)
def test_an_id_that_no_folder_or_no_address_can_have_is_a_problem(name: str, shown: str) -> None:
    assert t.problems(t.workflow(nodes=[t.node(name)])) == [f"InvalidValue {shown}"]


def test_ids_in_branches_are_checked_with_the_id_of_the_branch() -> None:
    branch = t.branch("b", t.case(t.node("a/b")), otherwise=t.node("x" * 254))

    assert t.problems(t.workflow(nodes=[branch])) == ["InvalidValue b-a/b", f"InvalidValue b-{'x' * 62}"]


@pytest.mark.parametrize("name", ["a", "A b", "é😀", "%2e", "a.b", "...", "x" * 255])
def test_an_unusual_id_is_accepted(name: str) -> None:
    assert t.compiles(t.workflow(nodes=[t.node(name)]))


def test_one_node_may_stand_in_two_cases_of_a_branch() -> None:
    assert t.compiles(t.workflow(nodes=[t.branch("n0", t.case(t.node("c")), otherwise=t.node("c"))]))


def test_an_unknown_explicit_upstream_is_a_problem() -> None:
    alone = t.node(inputs=[t.bind("a", t.const(1))], upstream=["nx"])

    assert t.problems(t.workflow(nodes=[alone])) == ["NodeReferenceNotFound nx", "UnreachableNodes start-node"]
    assert t.problems(t.workflow(nodes=[t.node(upstream=["nx"])])) == ["NodeReferenceNotFound nx"]


def test_a_cycle_that_the_start_reaches_is_named() -> None:
    nodes = [t.node("n0", upstream=["n1", "start-node"]), t.node("n1", upstream=["n0"])]

    with pytest.raises(errors.CompileFailed, match=r"CycleDetected.*\[start-node>n0>n1>n0\]"):
        t.compiled(t.workflow(nodes=nodes))


def test_aliases_must_name_outputs_once() -> None:
    node = t.node()
    node.output_aliases.extend(
        [
            workflow_pb2.Alias(var="o0", alias="x"),
            workflow_pb2.Alias(var="o0", alias="y"),
            workflow_pb2.Alias(var="zz", alias="z"),
        ]
    )

    assert t.problems(t.workflow(nodes=[node])) == ["DuplicateAlias n0", "ParameterNotBound n0"]


def test_an_output_is_found_by_its_alias() -> None:
    node = t.node()
    node.output_aliases.add(var="o0", alias="renamed")

    assert t.compiles(t.workflow(nodes=[node, t.node("n1", [t.bind("a", t.promise("n0", "renamed"))])]))


def test_every_problem_is_reported() -> None:
    nodes = [t.node("n0", ref="nosuch"), t.node("n1", []), t.node("n2", [t.bind("a", t.promise("n7", "o0"))])]

    assert t.problems(t.workflow(nodes=nodes)) == [
        "NodeReferenceNotFound n7",
        "ParameterNotBound n1",
        "ParameterNotBound n2",
        "TaskReferenceNotFound n0",
        "TaskReferenceNotFound start-node",
    ]


def test_a_variable_of_the_workflow_needs_name_and_type() -> None:
    template = t.workflow(nodes=[t.node()])
    template.interface.inputs.variables[""].type.CopyFrom(t.INT)
    template.interface.outputs.variables["o0"].CopyFrom(interface_pb2.Variable())

    assert t.problems(template) == ["ValueRequired start-node"] * 2


def test_a_branch_may_only_use_what_stands_before_it() -> None:
    branch = t.branch("n0", t.case(t.node("c")), error="e", inputs=[t.bind(".a", t.promise("n1", "o0"))])

    assert t.problems(t.workflow(nodes=[branch, t.node("n1")])) == ["NodeReferenceNotFound n1", "ParameterNotBound n0"]
    assert t.compiles(t.workflow(nodes=[t.node("n1"), branch]))


def test_the_failure_node_is_checked_too() -> None:
    assert t.problems(t.workflow(nodes=[t.node()], on_failure=t.node("fn0", []))) == ["ParameterNotBound fn0"]


def test_problems_of_subworkflows_are_reported_once() -> None:
    inner = t.workflow("inner", [t.node("i0", [])])
    nodes = [t.sub_workflow_node("n0", "inner"), t.sub_workflow_node("n1", "inner")]

    assert t.problems(t.workflow(nodes=nodes), [inner]) == ["ParameterNotBound i0"]


def test_two_subworkflows_of_one_id_are_a_problem() -> None:
    inner = t.workflow("inner", [t.node()])
    other = t.workflow("inner", [t.node("n1")])

    (found,) = t.problems(t.workflow(nodes=[t.sub_workflow_node("n0", "inner")]), [inner, other])

    assert found.startswith("DuplicateId ")


def test_a_subworkflow_that_contains_itself_is_a_cycle() -> None:
    first = t.workflow("first", [t.sub_workflow_node("n0", "second")])
    second = t.workflow("second", [t.sub_workflow_node("n0", "first")])

    assert t.problems(t.workflow(nodes=[t.sub_workflow_node("n0", "first")]), [first, second]) == [
        "CycleDetected start-node"
    ]
    assert t.problems(t.workflow("w", [t.sub_workflow_node("n0", "w")])) == ["CycleDetected start-node"]


def test_ids_of_subworkflows_and_tasks_are_required() -> None:
    template = t.workflow(nodes=[t.node()])

    with pytest.raises(errors.CompileFailed, match=r"Code: ValueRequired, Node Id: task.*Template\.Id"):
        compile_workflow(template, [workflow_pb2.WorkflowTemplate()], [compiler_pb2.CompiledTask()], [])


def test_the_closure_has_start_and_end_and_sorted_connections() -> None:
    template = t.workflow(
        nodes=[t.node("n1", [t.bind("a", OUT)], upstream=["n0", ""]), t.node("n0")],
        outputs={"o0": t.INT},
        bound=[t.bind("o0", t.promise("n1", "o0"))],
    )

    primary = t.compiled(template).primary

    assert [node.id for node in primary.template.nodes] == ["start-node", "end-node", "n1", "n0"]
    assert primary.template.nodes[1].inputs == primary.template.outputs
    assert primary.template.nodes[3].inputs[0].binding.promise.node_id == "start-node"
    assert list(primary.template.nodes[2].upstream_node_ids) == ["", "n0"]
    assert {name: list(found.ids) for name, found in primary.connections.upstream.items()} == {
        "n0": ["start-node"],
        "n1": ["n0", "start-node"],
        "end-node": ["n1"],
    }
    assert {name: list(found.ids) for name, found in primary.connections.downstream.items()} == {
        "start-node": ["n0", "n1"],
        "n0": ["n1"],
        "n1": ["end-node"],
    }


def test_children_of_branches_get_the_ids_of_their_parents_and_wait_only() -> None:
    inner = t.branch("b", t.case(t.node("c", [t.bind("a", OUT)])), error="e")
    template = t.workflow(nodes=[t.node(), t.branch("n1", t.case(inner), otherwise=t.node("d"))])

    primary = t.compiled(template).primary

    block = primary.template.nodes[3].branch_node.if_else
    assert block.case.then_node.id == "n1-b"
    assert block.case.then_node.branch_node.if_else.case.then_node.id == "n1-b-c"
    assert block.else_node.id == "n1-d"
    assert list(primary.connections.upstream["n1-b-c"].ids) == ["n0"]
    assert list(primary.connections.downstream["n0"].ids) == ["end-node"]


def test_the_failure_node_waits_only() -> None:
    template = t.workflow(nodes=[t.node()], on_failure=t.node("fn0", [t.bind("a", OUT)]))

    primary = t.compiled(template).primary

    assert list(primary.connections.upstream["fn0"].ids) == ["n0"]
    assert "fn0" not in primary.connections.downstream["n0"].ids
    assert primary.template.failure_node.id == "fn0"


def test_all_given_subworkflows_and_tasks_are_in_the_closure_but_only_reached_ones_compiled() -> None:
    used, unused = t.workflow("used", [t.node()]), t.workflow("unused", [t.node()])

    closure = compile_workflow(t.workflow(nodes=[t.sub_workflow_node("n0", "used")]), [unused, used], [t.T, t.T], [])

    assert closure.sub_workflows[0] == compiler_pb2.CompiledWorkflow(template=unused)
    assert [node.id for node in closure.sub_workflows[1].template.nodes] == ["start-node", "end-node", "n0"]
    assert list(closure.tasks) == [t.T]


def test_compiling_does_not_change_its_arguments_and_repeats() -> None:
    inner = t.workflow("inner", [t.branch("b", t.case(t.node("c")), error="e")])
    template = t.workflow(nodes=[t.sub_workflow_node("n0", "inner"), t.branch("b", t.case(t.node("c")), error="e")])
    before = [template.SerializeToString(deterministic=True), inner.SerializeToString(deterministic=True)]

    first, second = t.compiled(template, [inner]), t.compiled(template, [inner])

    assert first == second
    assert [template.SerializeToString(deterministic=True), inner.SerializeToString(deterministic=True)] == before


def test_stacked_diamonds_compile_in_linear_time() -> None:
    nodes = [t.node("d0")]
    for level in range(60):
        sides = [t.node(f"{side}{level}", [t.bind("a", t.promise(f"d{level}", "o0"))]) for side in "lr"]
        join = t.node(f"d{level + 1}", [t.bind("a", t.promise(f"l{level}", "o0"))], upstream=[f"r{level}"])
        nodes += [*sides, join]

    assert t.compiles(t.workflow(nodes=nodes))


def test_a_chain_longer_than_the_interpreters_stack_compiles() -> None:
    links = [t.node(f"n{i}", [t.bind("a", t.promise(f"n{i - 1}", "o0"))]) for i in range(1, 3000)]

    closure = t.compiled(t.workflow(nodes=[t.node(), *links]))

    assert len(closure.primary.connections.upstream) == 3001


def test_identifiers_of_another_resource_type_are_the_same_entity() -> None:
    node = t.node()
    node.task_node.reference_id.resource_type = identifier_pb2.UNSPECIFIED

    assert t.compiles(t.workflow(nodes=[node]))
