"""Large values on a real store: which are offloaded, read and refused."""

import sys
from collections.abc import Awaitable, Sequence
from pathlib import Path
from types import FrameType

import pytest
from flyteidl.core import condition_pb2, interface_pb2, literals_pb2, types_pb2
from flyteidl.core.literals_pb2 import Literal, LiteralMap

from flytetemporal.activities.arrays import ArrayActivities, ElementReader
from flytetemporal.activities.children import ChildActivities
from flytetemporal.activities.data import DataActivities
from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.contracts import limits
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2, graph_pb2
from flytetemporal.errors import ResolutionFailed, ValueTooLarge
from flytetemporal.idl import locations
from flytetemporal.storage.blobs import MAX_READ_BYTES, BlobStore
from tests.unit.activities.test_children import Executions, request
from tests.unit.activities.test_dynamic import Admin

MB = 1024 * 1024
STRING = types_pb2.LiteralType(simple=types_pb2.STRING)


class Counting(BlobStore):
    """A store that records its reads."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.reads: list[str] = []

    async def read(self, uri: str, limit_bytes: int = MAX_READ_BYTES) -> bytes:
        self.reads.append(uri)
        return await super().read(uri, limit_bytes)


def text(value: str) -> Literal:
    return Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def integers(values: Sequence[int]) -> Literal:
    literal = Literal(collection=literals_pb2.LiteralCollection())
    for value in values:
        literal.collection.literals.add().scalar.primitive.integer = value
    return literal


@pytest.fixture
def blobs(tmp_path: Path) -> Counting:
    return Counting(f"file://{tmp_path}/store")


@pytest.fixture
def offloads(blobs: Counting) -> Offloading:
    return Offloading(blobs, Limits(least=1000, most=40 * MB, inline=4 * MB))


@pytest.mark.parametrize("size", [3 * MB, 30 * MB])
async def test_a_large_value_becomes_a_reference_to_the_whole_literal(
    blobs: Counting, offloads: Offloading, size: int
) -> None:
    value = text("x" * size)
    value.metadata["unit"] = "m"
    values = LiteralMap(literals={"big": value, "small": text("y")})
    declared = {"big": interface_pb2.Variable(type=STRING)}

    assert await offloads.offload(values, f"{blobs.root}/out", declared)

    reference = values.literals["big"].offloaded_metadata
    assert (reference.uri, reference.size_bytes) == (f"{blobs.root}/out/big_offloaded_metadata.pb", value.ByteSize())
    assert reference.inferred_type == STRING
    assert dict(values.literals["big"].metadata) == {"unit": "m"}
    assert await blobs.read_message(reference.uri, Literal) == value
    assert values.literals["small"] == text("y")
    assert not await offloads.offload(values, f"{blobs.root}/out", declared)


async def test_a_value_at_the_limit_is_refused_with_name_size_and_limit(blobs: Counting) -> None:
    offloads = Offloading(blobs, Limits(least=100, most=1000))

    with pytest.raises(ValueTooLarge, match=r"\[big\] has 1005 bytes; the limit is 1000"):
        await offloads.offload(LiteralMap(literals={"big": text("x" * 996)}), blobs.root)


async def test_nothing_is_offloaded_when_that_is_off_but_the_limit_holds(blobs: Counting) -> None:
    offloads = Offloading(blobs, Limits(least=0, most=2 * MB))

    assert not await offloads.offload(LiteralMap(literals={"a": text("x" * MB)}), blobs.root)
    with pytest.raises(ValueTooLarge):
        await offloads.offload(LiteralMap(literals={"a": text("x" * 3 * MB)}), blobs.root)


async def test_references_are_read_back_for_who_cannot_read_them(blobs: Counting, offloads: Offloading) -> None:
    inner = LiteralMap(literals={"a": text("x" * 2000)})
    await offloads.offload(inner, f"{blobs.root}/inner")
    outer = LiteralMap(
        literals={"xs": Literal(collection=literals_pb2.LiteralCollection(literals=[inner.literals["a"]]))}
    )

    found = await offloads.inlined(outer)

    assert found.literals["xs"].collection.literals[0].scalar == text("x" * 2000).scalar
    assert outer.literals["xs"].collection.literals[0].HasField("offloaded_metadata")
    assert await offloads.inlined(outer, names=[]) == outer


async def test_what_would_be_too_much_inline_is_refused_by_name(blobs: Counting, offloads: Offloading) -> None:
    values = LiteralMap(literals={name: text("x" * 3 * MB) for name in ("a", "b")})
    await offloads.offload(values, blobs.root)

    with pytest.raises(ValueTooLarge, match=r"\[b\] is offloaded and has 3145\d+ bytes"):
        await offloads.inlined(values)


async def test_a_reference_out_of_the_store_is_not_followed(
    tmp_path: Path, blobs: Counting, offloads: Offloading
) -> None:
    (tmp_path / "secret").write_bytes(text("secret").SerializeToString())
    away = Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri=f"{tmp_path}/secret"))

    with pytest.raises(ResolutionFailed, match="outside the store"):
        await offloads.inlined(LiteralMap(literals={"a": away}))


async def test_a_part_of_an_offloaded_value_can_be_bound(blobs: Counting, offloads: Offloading) -> None:
    values = LiteralMap(literals={"o0": Literal(map=LiteralMap(literals={"k": text("x" * 5000), "n": text("name")}))})
    await offloads.offload(values, blobs.root)
    deferred = execution_pb2.DeferredInputs(sources={"n0": execution_pb2.NodeOutputs(literals=values)})
    promise = deferred.bindings.add(var="a").binding.promise
    promise.node_id, promise.var = "n0", "o0"
    promise.attr_path.add(string_value="n")

    found = await DataActivities(blobs).resolve_inputs(execution_pb2.ResolveRequest(inputs=deferred))

    assert found.literals.literals["a"] == text("name")


def equals(variable: str, value: str) -> condition_pb2.BooleanExpression:
    comparison = condition_pb2.ComparisonExpression(operator="EQ")
    comparison.left_value.var = variable
    comparison.right_value.primitive.string_value = value
    return condition_pb2.BooleanExpression(comparison=comparison)


@pytest.mark.parametrize("size", [3 * MB, 30 * MB])
async def test_conditions_on_large_values_are_evaluated_where_these_are(blobs: Counting, size: int) -> None:
    values = LiteralMap(literals={"o0": text("x" * size)})
    await Offloading(blobs).offload(values, blobs.root)
    request = execution_pb2.CaseRequest(conditions=[equals("a", "y"), equals("a", "x" * size)])
    promise = request.inputs.bindings.add(var="a").binding.promise
    promise.node_id, promise.var = "n0", "o0"
    request.inputs.sources["n0"].literals.CopyFrom(values)
    activities = DataActivities(blobs)

    assert (await activities.choose_case(request)).position == 1
    del request.conditions[1:]
    assert (await activities.choose_case(request)).position == 1
    request.conditions[0].comparison.left_value.var = "b"
    assert "[b]" in (await activities.choose_case(request)).malformed


async def test_what_must_travel_and_is_too_large_is_refused_by_name(blobs: Counting) -> None:
    request = execution_pb2.ResolveRequest()
    request.inputs.bindings.add(var="x").binding.scalar.primitive.string_value = "x" * 3 * MB

    with pytest.raises(ValueTooLarge, match=r"\[x\] has 3145\d+ bytes"):
        await DataActivities(blobs).resolve_inputs(request)


async def planned(blobs: Counting, inputs: LiteralMap, bound: Sequence[str] = ()) -> arrays_pb2.ArrayPlan:
    return await ArrayActivities(blobs, Admin()).plan_array(
        arrays_pb2.ArrayRequest(
            inputs=execution_pb2.NodeInputs(literals=inputs),
            bound_inputs=bound,
            inputs_uri=f"{blobs.root}/n0/inputs.pb",
            directory=f"{blobs.root}/n0/0",
            chunk_size=500,
        )
    )


@pytest.mark.parametrize("offloaded", [False, True])
async def test_an_element_of_100000_reads_its_chunk_and_is_given_one_value(blobs: Counting, offloaded: bool) -> None:
    inputs = LiteralMap(literals={"a": integers(range(100_000)), "b": text("shared" * 20_000)})
    if offloaded:
        await Offloading(blobs).offload(inputs, blobs.root)
        assert inputs.literals["a"].HasField("offloaded_metadata")

    plan = await planned(blobs, inputs, ["b"])

    assert plan.size == 100_000
    assert await blobs.size_bytes(f"{blobs.root}/n0/0/elements-123.pb") < 10_000
    blobs.reads.clear()
    element = execution_pb2.ElementInputs(
        chunk_uri=locations.chunk_uri(f"{blobs.root}/n0/0", 123), position=45, shared_uri=plan.shared_uri, listed=True
    )
    values, lists = await ElementReader(blobs).inputs(element)
    assert values.literals["a"].scalar.primitive.integer == 123 * 500 + 45
    assert [found.scalar.primitive.integer for found in lists.literals["a"].collection.literals] == [123 * 500 + 45]
    assert values.literals["b"] == inputs.literals["b"]
    assert sorted(blobs.reads) == sorted([element.chunk_uri, element.shared_uri])
    assert len((await blobs.read_message(element.chunk_uri, LiteralMap)).literals["a"].collection.literals) == 500


async def loop_calls(work: Awaitable[object]) -> int:
    """Return the number of calls that the thread of the event loop makes until ``work`` is done."""
    count = 0

    def counted(_: FrameType, what: str, __: object) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        await work
    finally:
        sys.setprofile(before)
    return count


async def test_the_event_loop_does_not_go_through_the_elements_of_an_array(blobs: Counting) -> None:
    few, many = (LiteralMap(literals={"a": integers(range(size))}) for size in (10, 500))

    assert await loop_calls(planned(blobs, many)) < await loop_calls(planned(blobs, few)) + 200


async def test_the_event_loop_does_not_go_through_the_parts_of_a_value(offloads: Offloading) -> None:
    few, many = (LiteralMap(literals={"a": integers(range(size))}) for size in (10, 10_000))

    assert await loop_calls(offloads.inlined(many)) < await loop_calls(offloads.inlined(few)) + 200


async def test_an_element_does_not_read_the_large_ones_beside_it(blobs: Counting) -> None:
    strings = Literal(collection=literals_pb2.LiteralCollection(literals=[text(str(n) * 3 * MB) for n in range(4)]))

    await planned(blobs, LiteralMap(literals={"a": strings}))

    blobs.reads.clear()
    element = execution_pb2.ElementInputs(chunk_uri=locations.chunk_uri(f"{blobs.root}/n0/0", 0), position=2)
    values, _ = await ElementReader(blobs).inputs(element)
    assert values.ByteSize() < 1000
    assert (await Offloading(blobs).inlined(values)).literals["a"].scalar == text("2" * 3 * MB).scalar
    assert blobs.reads == [element.chunk_uri, values.literals["a"].offloaded_metadata.uri]


async def job_planned(
    blobs: Counting, inputs: LiteralMap, job: graph_pb2.ArrayJob, limits: Limits = DEFAULTS
) -> tuple[arrays_pb2.ArrayPlan, LiteralMap]:
    """Return the plan of a task of type container_array, and the file that its elements read."""
    request = arrays_pb2.ArrayRequest(
        inputs=execution_pb2.NodeInputs(literals=inputs), inputs_uri=f"{blobs.root}/n0/inputs.pb", job=job
    )
    plan = await ArrayActivities(blobs, Admin(), limits).plan_array(request)
    return plan, LiteralMap() if plan.HasField("error") else await blobs.read_message(request.inputs_uri, LiteralMap)


@pytest.mark.parametrize(
    ("reads", "limits", "stays"), [(True, DEFAULTS, True), (False, DEFAULTS, False), (True, Limits(least=0), False)]
)
async def test_a_job_is_as_large_as_its_offloaded_lists(
    blobs: Counting, reads: bool, limits: Limits, stays: bool
) -> None:
    values = LiteralMap(literals={"a": integers(range(100_000)), "b": text("shared" * 20_000)})
    inputs = LiteralMap()
    inputs.CopyFrom(values)
    await Offloading(blobs).offload(inputs, blobs.root)
    hashes = {name: literal.hash for name, literal in inputs.literals.items()}

    plan, file = await job_planned(blobs, inputs, graph_pb2.ArrayJob(reads_references=reads), limits)

    assert plan == arrays_pb2.ArrayPlan(size=100_000)
    assert [literal.HasField("offloaded_metadata") for literal in file.literals.values()] == [stays, stays]
    whole = await Offloading(blobs).inlined(file)
    assert whole.literals["a"].collection == values.literals["a"].collection
    assert whole.literals["b"].scalar == values.literals["b"].scalar
    assert {name: literal.hash for name, literal in whole.literals.items()} == hashes


async def test_a_job_that_says_how_large_it_is_reads_no_lists(blobs: Counting) -> None:
    inputs = LiteralMap(literals={"a": integers(range(100_000))})
    await Offloading(blobs).offload(inputs, blobs.root)
    job = graph_pb2.ArrayJob(reads_references=True)
    job.size.value = 3

    plan, _ = await job_planned(blobs, inputs, job)

    assert plan == arrays_pb2.ArrayPlan(size=3)
    assert inputs.literals["a"].offloaded_metadata.uri not in blobs.reads


async def test_a_job_that_cannot_be_given_its_inputs_inline_fails_by_name(blobs: Counting) -> None:
    inputs = LiteralMap(literals={"a": text("x" * 3 * MB)})
    await Offloading(blobs).offload(inputs, blobs.root)

    plan, _ = await job_planned(blobs, inputs, graph_pb2.ArrayJob(), Limits(inline=2 * MB))

    assert (plan.error.code, plan.error.kind) == ("LiteralOffloadingNotSupported", plan.error.USER)
    assert "[a] is offloaded and has 3145" in plan.error.message


async def test_gathered_lists_are_offloaded_and_their_elements_stay_where_they_are(blobs: Counting) -> None:
    directory = f"{blobs.root}/n0/0"
    for index in range(3):
        place = locations.output_dir(locations.element_dir(directory, index), 0)
        left = LiteralMap(literals={"o0": text(str(index) * 3 * MB), "o1": text("z" * 30_000)})
        await Offloading(blobs).offload(left, place)
        await blobs.write_message(locations.outputs_uri(place), left)
    request = arrays_pb2.GatherRequest(
        variables=["o0", "o1"], directory=directory, attempts=[1, 1, 1], write_to=f"{directory}/outputs.pb"
    )

    gathered = await ArrayActivities(blobs, Admin()).gather_elements(request)

    outputs = gathered.literals.literals
    assert [found.offloaded_metadata.size_bytes > 3 * MB for found in outputs["o0"].collection.literals] == [True] * 3
    assert outputs["o1"].offloaded_metadata.inferred_type.collection_type == STRING
    whole = await Offloading(blobs).inlined(gathered.literals)
    assert whole.literals["o0"].collection.literals[2].scalar == text("2" * 3 * MB).scalar
    assert len(whole.literals["o1"].collection.literals) == 3


@pytest.mark.parametrize("size", [3 * MB, 30 * MB])
async def test_a_child_gets_large_inputs_by_reference(blobs: Counting, size: int) -> None:
    executions = Executions()
    launch = request()
    launch.inputs.uri = f"{blobs.root}/n0/inputs.pb"
    await blobs.write_message(launch.inputs.uri, LiteralMap(literals={"a": text("x" * size)}))

    assert not (await ChildActivities(blobs, executions).launch_child(launch)).HasField("error")

    given = executions.created[0].inputs
    assert given.ByteSize() < 1000
    assert (await Offloading(blobs).inlined(given)).literals["a"].scalar == text("x" * size).scalar


async def test_a_child_whose_inputs_exceed_the_limit_fails_its_node_by_name(blobs: Counting) -> None:
    launch = request()
    launch.inputs.uri = f"{blobs.root}/n0/inputs.pb"
    await blobs.write_message(launch.inputs.uri, LiteralMap(literals={"a": text("x" * 3 * MB)}))

    result = await ChildActivities(blobs, Executions(), Limits(most=2 * MB)).launch_child(launch)

    assert result.error.kind == result.error.USER
    assert "[a] has 3145" in result.error.message


async def test_a_graph_that_cannot_travel_is_refused(blobs: Counting) -> None:
    reference = execution_pb2.ContentReference(uri=blobs.root, size_bytes=limits.MAX_GRAPH_BYTES + 1)

    with pytest.raises(ValueTooLarge, match="can travel"):
        await DataActivities(blobs).load_graph(reference)
