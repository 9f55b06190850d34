"""Large constants, inputs, settings and outputs, and deep workflows, as admin takes and shows them."""

import gzip

import pytest
from flyteidl.admin import execution_pb2, signal_pb2, workflow_pb2
from flyteidl.core import identifier_pb2, literals_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.service import signal_pb2 as signal_service_pb2

from flytetemporal import errors
from flytetemporal.admin import service
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import WorkflowRow
from flytetemporal.admin.executions import stored_data, workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.cli.dev import ports
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import offloading
from flytetemporal.rpc import methods, server
from flytetemporal.rpc.admin_client import AdminClient
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import (
    DOMAIN,
    PROJECT,
    STR,
    identifier,
    integer,
    node,
    plan,
    task,
    workflow,
)

MB = 1024 * 1024


def text(value: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def with_constant(data: literals_pb2.BindingData) -> workflow_pb2.WorkflowCreateRequest:
    """A workflow whose node binds a constant to the input of a task of strings."""
    inner = core_workflow_pb2.Node(
        id="n0",
        inputs=[literals_pb2.Binding(var="a", binding=data)],
        task_node=core_workflow_pb2.TaskNode(reference_id=identifier("TASK", "s")),
    )
    return workflow(nodes=[inner])


def chain(levels: int) -> workflow_pb2.WorkflowCreateRequest:
    """Templates of subworkflows, nested ``levels`` deep."""
    request = workflow()
    template = request.spec.template
    for level in range(levels):
        inner = core_workflow_pb2.WorkflowTemplate()
        inner.CopyFrom(workflow().spec.template)
        inner.id.CopyFrom(identifier("WORKFLOW", f"sub{level}"))
        request.spec.sub_workflows.append(inner)
    for level, outer in enumerate([template, *request.spec.sub_workflows][:-1]):
        outer.nodes[0].workflow_node.sub_workflow_ref.CopyFrom(identifier("WORKFLOW", f"sub{level}"))
    return request


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await tasks.create(deps, task("s", input_type=STR))


async def graph_of(deps: Dependencies) -> graph_pb2.Graph:
    async with deps.sessions() as session:
        row = await session.get_one(WorkflowRow, (PROJECT, DOMAIN, "w", "v1"))
    reference = contract_pb2.ContentReference.FromString(row.graph)
    return graph_pb2.Graph.FromString(gzip.decompress(await deps.blobs.read(reference.uri)))


@pytest.mark.parametrize("size", [3 * MB, 30 * MB])
async def test_a_large_constant_lies_beside_the_graph(deps: Dependencies, size: int) -> None:
    await workflows.create(deps, with_constant(literals_pb2.BindingData(scalar=text("x" * size).scalar)))

    graph = await graph_of(deps)
    assert graph.ByteSize() < 2000
    reference = graph.workflows[0].nodes[2].inputs[0].binding.offloaded_metadata
    assert reference.inferred_type == STR
    stored = await deps.blobs.read_message(reference.uri, literals_pb2.Literal)
    assert stored == text("x" * size)
    assert reference.size_bytes == stored.ByteSize()


async def test_a_list_of_constants_is_one_value_and_promises_stay(deps: Dependencies) -> None:
    await tasks.create(deps, task("l", input_type=types_pb2.LiteralType(collection_type=STR)))
    request = with_constant(literals_pb2.BindingData())
    elements = request.spec.template.nodes[0].inputs[0].binding.collection.bindings
    elements.extend(literals_pb2.BindingData(scalar=text("x" * 1000).scalar) for _ in range(1000))
    request.spec.template.nodes[0].task_node.reference_id.CopyFrom(identifier("TASK", "l"))
    await workflows.create(deps, request)

    binding = (await graph_of(deps)).workflows[0].nodes[2].inputs[0].binding

    assert binding.offloaded_metadata.inferred_type.collection_type == STR
    stored = await deps.blobs.read_message(binding.offloaded_metadata.uri, literals_pb2.Literal)
    assert len(stored.collection.literals) == 1000


async def test_a_graph_that_cannot_travel_is_refused_naming_what_is_large(deps: Dependencies) -> None:
    await tasks.create(deps, task("l", input_type=types_pb2.LiteralType(collection_type=STR)))
    request = workflow(nodes=[node(f"n{number}") for number in range(300)])
    for number, one in enumerate(request.spec.template.nodes):
        noise = "".join(chr(33 + (number * 7919 + k * k * 31 + k // 7) % 20_000) for k in range(5_000))
        one.inputs[0].binding.scalar.CopyFrom(text(noise).scalar)
        one.task_node.reference_id.CopyFrom(identifier("TASK", "s"))

    with pytest.raises(errors.InvalidRequest, match=r"compressed; the limit is .* input \[a\] of node \[n\d+\]"):
        await workflows.create(deps, request)


@pytest.mark.parametrize("levels", [51, 200])
async def test_workflows_nested_too_deep_are_refused(deps: Dependencies, levels: int) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await workflows.create(deps, chain(levels))

    assert f"nests subworkflows {levels} levels deep; the limit is 50" in refused.value.message
    assert "FLYTETEMPORAL_ADMIN__MAX_WORKFLOW_DEPTH" in refused.value.message


async def test_workflows_nested_as_deep_as_allowed_are_taken(deps: Dependencies) -> None:
    await workflows.create(deps, chain(50))

    assert len((await graph_of(deps)).workflows) == 51


async def launch(deps: Dependencies, inputs: literals_pb2.LiteralMap, **spec: object) -> None:
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name="e1",
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w"), **spec),  # type: ignore[arg-type]
        inputs=inputs,
    )
    await workflow_executions.create(deps, request)


async def registered_plan(deps: Dependencies, kind: types_pb2.LiteralType) -> None:
    request = workflow(nodes=[node(task_name="s" if kind == STR else "t")])
    request.spec.template.interface.inputs.variables["a"].type.CopyFrom(kind)
    await workflows.create(deps, request)
    await launch_plans.create(deps, plan())


async def test_large_inputs_are_handed_to_the_engine_by_address(deps: Dependencies, engine: RecordingEngine) -> None:
    await registered_plan(deps, STR)

    await launch(deps, literals_pb2.LiteralMap(literals={"a": text("x" * 3 * MB)}))

    (argument,) = engine.started
    assert argument.ByteSize() < 10_000
    assert argument.max_depth == AdminSettings().max_workflow_depth
    assert argument.node_deadline_factor == AdminSettings().node_deadline_factor
    stored = await deps.blobs.read_message(argument.inputs.uri, literals_pb2.LiteralMap)
    assert stored.literals["a"] == text("x" * 3 * MB)


async def test_an_offloaded_input_is_checked_by_its_type(deps: Dependencies, engine: RecordingEngine) -> None:
    await registered_plan(deps, STR)
    fitting = offloading.reference(text("x"), f"{deps.blobs.root}/x", STR)
    other = offloading.reference(text("x"), f"{deps.blobs.root}/x", types_pb2.LiteralType(simple=types_pb2.INTEGER))
    without_address = offloading.reference(text("x"), "", STR)

    for wrong, problem in ((other, "invalid a input wrong type"), (without_address, "missing uri")):
        with pytest.raises(errors.InvalidRequest, match=problem):
            await launch(deps, literals_pb2.LiteralMap(literals={"a": wrong}))
    await launch(deps, literals_pb2.LiteralMap(literals={"a": fitting}))

    assert engine.started[0].inputs.literals.literals["a"] == fitting


async def test_settings_that_no_activity_could_carry_are_refused(deps: Dependencies, engine: RecordingEngine) -> None:
    await registered_plan(deps, types_pb2.LiteralType(simple=types_pb2.INTEGER))
    envs = execution_pb2.ExecutionSpec().envs
    envs.values.add(key="BIG", value="x" * 3 * MB)

    with pytest.raises(errors.InvalidRequest, match=r"settings of execution \[e1\] have 3145\d+ bytes.*envs 3145"):
        await launch(deps, literals_pb2.LiteralMap(literals={"a": integer(1)}), envs=envs)
    assert not engine.started


async def stored(deps: Dependencies, name: str, value: literals_pb2.Literal) -> literals_pb2.Literal:
    uri = f"{deps.blobs.root}/{name}.pb"
    await deps.blobs.write_message(uri, value)
    return offloading.reference(value, uri, STR)


async def test_offloaded_values_are_shown_while_there_is_room(deps: Dependencies) -> None:
    outputs = literals_pb2.LiteralMap(
        literals={
            "a": await stored(deps, "a", text("x" * MB)),
            "b": literals_pb2.Literal(
                collection=literals_pb2.LiteralCollection(literals=[await stored(deps, "b", text("y" * 100_000))])
            ),
            "c": await stored(deps, "c", text("z" * 3 * MB)),
            "d": offloading.reference(text("etc"), "/etc/hostname", STR),
            "e": offloading.reference(text("gone"), f"{deps.blobs.root}/gone.pb", STR),
        }
    )
    await deps.blobs.write_message(f"{deps.blobs.root}/outputs.pb", outputs)

    shown = await stored_data.read(deps, f"{deps.blobs.root}/outputs.pb")

    assert shown.literals["a"].scalar == text("x" * MB).scalar
    assert shown.literals["a"].hash == outputs.literals["a"].hash
    assert shown.literals["b"].collection.literals[0].scalar == text("y" * 100_000).scalar
    for untouched in ("c", "d", "e"):
        assert shown.literals[untouched] == outputs.literals[untouched]
    assert shown.ByteSize() <= deps.settings.max_data_bytes


@pytest.mark.parametrize(("size", "accepted"), [(3, True), (12, True), (30, False)])
async def test_a_signal_is_as_large_as_a_message_may_be(
    deps: Dependencies, engine: RecordingEngine, size: int, accepted: bool
) -> None:
    """The engine's client reads what admin took; what admin refuses is reported as final, not as a quota."""
    await registered_plan(deps, types_pb2.LiteralType(simple=types_pb2.INTEGER))
    await launch(deps, literals_pb2.LiteralMap(literals={"a": integer(1)}))
    settings = AdminSettings(grpc_port=ports.free())
    bound = methods.bind(signal_service_pb2.DESCRIPTOR.services_by_name["SignalService"], service.SIGNALS, deps)
    grpc_server = server.grpc_server(bound, settings)
    await grpc_server.start()
    client = AdminClient(f"127.0.0.1:{settings.grpc_port}")
    signal_id = identifier_pb2.SignalIdentifier(
        signal_id="s",
        execution_id=identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="e1"),
    )

    wanted = signal_pb2.SignalGetOrCreateRequest(id=signal_id, type=STR)
    given = signal_pb2.SignalSetRequest(id=signal_id, value=text("x" * size * MB))
    try:
        await client.get_or_create_signal(wanted)
        setting = client.method("/flyteidl.service.SignalService/SetSignal", signal_pb2.SignalSetResponse)
        if accepted:
            await setting(given)
            assert (await client.get_or_create_signal(wanted)).value == given.value
        else:
            with pytest.raises(errors.ValueTooLarge, match="larger than max"):
                await setting(given)
    finally:
        await client.close()
        await grpc_server.stop(None)
