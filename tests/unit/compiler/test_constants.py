from flyteidl.core import literals_pb2

from flytetemporal.compiler import constants, graph
from flytetemporal.compiler.compact import compact
from flytetemporal.compiler.workflow import depth
from tests.fixtures.templates import (
    LIST,
    STR,
    bind,
    compiled,
    const,
    listed,
    node,
    promise,
    sub_workflow_node,
    workflow,
)

LONG = "x" * 5000


def test_only_what_is_large_and_constant_leaves_the_closure() -> None:
    mixed = listed(const(1), promise("", "a"))
    closure = compiled(
        workflow(
            nodes=[
                node("n0", [bind("x", const(LONG))], ref="str"),
                node("n1", [bind("x", const("short"))], ref="str"),
                node("n2", [bind("x", mixed)], ref="list"),
            ]
        )
    )
    before = closure.SerializeToString(deterministic=True)

    found, files = constants.offload(closure, "s3://store/constants", 1000)

    bindings = {one.id: one.inputs[0].binding for one in found.primary.template.nodes[2:]}
    reference = bindings["n0"].offloaded_metadata
    assert list(files) == [reference.uri]
    literal = literals_pb2.Literal.FromString(files[reference.uri])
    assert literal.scalar.primitive.string_value == LONG
    assert (reference.size_bytes, reference.inferred_type) == (len(files[reference.uri]), STR)
    assert bindings["n1"] == const("short")
    assert bindings["n2"].WhichOneof("value") == "collection"
    assert closure.SerializeToString(deterministic=True) == before
    assert compact(found)[0].ByteSize() < 2000


def test_beside_promises_each_large_constant_leaves_by_itself() -> None:
    closure = compiled(workflow(nodes=[node("n0", [bind("x", listed(const(7), promise("", "a")))], ref="list")]))
    big = closure.primary.template.nodes[2].inputs[0].binding.collection.bindings[0]
    big.CopyFrom(listed(*(const(number) for number in range(500))))

    found, files = constants.offload(closure, "s3://store", 1000)

    first, second = found.primary.template.nodes[2].inputs[0].binding.collection.bindings
    assert first.offloaded_metadata.inferred_type == LIST
    assert second.HasField("promise")
    assert len(files) == 1


def test_without_large_constants_the_closure_is_the_same() -> None:
    closure = compiled(workflow(nodes=[node()]))

    assert constants.offload(closure, "s3://store", 1000) == (closure, {})


def test_the_depth_is_that_of_the_deepest_subworkflow() -> None:
    inner = [workflow(f"s{n}", [sub_workflow_node("n0", f"s{n + 1}")]) for n in range(1, 1500)]
    outer = workflow("s0", [node("n0"), sub_workflow_node("n1", "s1"), sub_workflow_node("n2", "s900")])

    assert depth(workflow(nodes=[node()]), []) == 0
    assert depth(outer, [*inner, workflow("s1500", [node()])]) == 1500


def test_heights_of_stacked_diamonds_and_of_cycles_are_found_in_one_pass() -> None:
    diamonds: dict[object, list[object]] = {}
    for n in range(60):
        diamonds |= {n: [f"{n}a", f"{n}b"], f"{n}a": [n + 1], f"{n}b": [n + 1]}

    assert graph.height(0, diamonds) == 120
    assert graph.height("a", {"a": ["b"], "b": ["a", "c"]}) == 2
