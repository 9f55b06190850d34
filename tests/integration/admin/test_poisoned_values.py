"""Values that would break reads or launches for everybody are refused, and those that are stored harm nobody else."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flyteidl.admin import (
    common_pb2,
    execution_pb2,
    launch_plan_pb2,
    matchable_resource_pb2,
    node_execution_pb2,
    project_domain_attributes_pb2,
    project_pb2,
    signal_pb2,
    task_execution_pb2,
    task_pb2,
    workflow_pb2,
)
from flyteidl.core import identifier_pb2, literals_pb2, tasks_pb2, types_pb2
from google.protobuf import json_format, struct_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.stored_messages import UnreadableRow
from flytetemporal.admin.executions import node_executions, signals, task_executions, workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import attributes, projects
from tests.fixtures.engine import RecordingEngine
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, identifier, integer, listing, plan, task, workflow

Config = matchable_resource_pb2.WorkflowExecutionConfig
Matching = matchable_resource_pb2.MatchingAttributes
Resources = matchable_resource_pb2.TaskResourceAttributes
Spec = matchable_resource_pb2.TaskResourceSpec
EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name="e1")


def envs(name: str, value: str = "") -> common_pb2.Envs:
    return common_pb2.Envs(values=[literals_pb2.KeyValuePair(key=name, value=value)])


BAD_NAMES = ["", "A=B", "A\0"]
BAD_CONFIGS: list[tuple[Config, str]] = [
    (Config(max_parallelism=-1), "invalid value for max_parallelism: -1 is negative"),
    *((Config(envs=envs(name)), "cannot name an environment variable") for name in BAD_NAMES),
    (Config(envs=envs("A", "\0")), "the value of A contains a NUL character"),
    (Config(labels=common_pb2.Labels(values={"-a": "b"})), "invalid label key"),
    (Config(labels=common_pb2.Labels(values={"a": "b/c"})), "invalid label value"),
    (
        Config(raw_output_data_config=common_pb2.RawOutputDataConfig(output_location_prefix="no uri")),
        "is not a URI",
    ),
]


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan())


async def set_attributes(deps: Dependencies, matching: Matching) -> None:
    given = project_domain_attributes_pb2.ProjectDomainAttributes(
        project=PROJECT, domain=DOMAIN, matching_attributes=matching
    )
    request = project_domain_attributes_pb2.ProjectDomainAttributesUpdateRequest(attributes=given)
    await attributes.update_project_domain(deps, request)


async def launch(deps: Dependencies, name: str = "e1", **spec: Any) -> None:
    request = execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=name,
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w"), **spec),
        inputs=literals_pb2.LiteralMap(literals={"a": integer(1)}),
    )
    await workflow_executions.create(deps, request)


async def change(deps: Dependencies, statement: str, **values: object) -> None:
    async with deps.sessions.begin() as session:
        await session.execute(text(statement), values)


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS)
async def test_attributes_with_which_nothing_could_run_are_refused(
    deps: Dependencies, config: Config, message: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=message):
        await set_attributes(deps, Matching(workflow_execution_config=config))


@pytest.mark.parametrize("field", ["cpu", "memory", "gpu", "ephemeral_storage", "storage"])
@pytest.mark.parametrize("role", ["defaults", "limits"])
async def test_resource_attributes_must_be_quantities(deps: Dependencies, field: str, role: str) -> None:
    given = Resources(**{role: Spec(**{field: "many"})})

    with pytest.raises(errors.InvalidRequest, match="failed for value many: it is not a Kubernetes quantity"):
        await set_attributes(deps, Matching(task_resource_attributes=given))


@pytest.mark.parametrize("config", [config for config, _ in BAD_CONFIGS])
async def test_attributes_that_were_stored_before_do_not_stop_launches(
    deps: Dependencies, engine: RecordingEngine, config: Config
) -> None:
    await set_attributes(deps, Matching(workflow_execution_config=Config(interruptible={"value": True})))
    stored = Config(interruptible={"value": True})
    stored.MergeFrom(config)
    matching = Matching(workflow_execution_config=stored)
    await change(deps, "UPDATE matchable_attributes SET attributes = :bytes", bytes=matching.SerializeToString())

    await launch(deps)

    settings = engine.started[0].settings
    assert (settings.max_parallelism, settings.interruptible.value) == (25, True)
    assert not settings.envs.values
    assert not settings.labels.values


async def test_attributes_that_do_not_parse_do_not_stop_launches(deps: Dependencies, engine: RecordingEngine) -> None:
    await set_attributes(deps, Matching(workflow_execution_config=Config(max_parallelism=3)))
    await change(deps, "UPDATE matchable_attributes SET attributes = :bytes", bytes=b"\xff")

    await launch(deps)

    assert len(engine.started) == 1


@pytest.mark.parametrize(("config", "message"), BAD_CONFIGS)
async def test_launches_and_launch_plans_have_the_same_checks(deps: Dependencies, config: Config, message: str) -> None:
    given = {field.name: value for field, value in config.ListFields()}
    request = plan("other")
    request.spec.MergeFrom(launch_plan_pb2.LaunchPlanSpec(**given))

    with pytest.raises(errors.InvalidRequest, match=message):
        await launch(deps, **given)
    with pytest.raises(errors.InvalidRequest, match=message):
        await launch_plans.create(deps, request)


async def test_a_launch_plan_that_was_stored_before_is_refused_at_launch(deps: Dependencies) -> None:
    async with deps.sessions() as session:
        stored = (await session.execute(text("SELECT spec FROM launch_plans"))).scalar_one()
    spec = launch_plan_pb2.LaunchPlanSpec.FromString(stored)
    spec.max_parallelism = -1
    await change(deps, "UPDATE launch_plans SET spec = :spec, digest = 'other'", spec=spec.SerializeToString())

    with pytest.raises(errors.InvalidRequest, match="max_parallelism: -1 is negative"):
        await launch(deps)


@pytest.mark.parametrize("name", BAD_NAMES)
async def test_a_task_cannot_ask_for_variables_that_no_process_can_have(deps: Dependencies, name: str) -> None:
    container, pod = task("one"), task("other")
    container.spec.template.container.env.add(key=name, value="x")
    spec = struct_pb2.Struct()
    json_format.ParseDict({"containers": [{"name": "c", "env": [{"name": name, "value": "x"}]}]}, spec)
    pod.spec.template.k8s_pod.CopyFrom(tasks_pb2.K8sPod(pod_spec=spec))

    for request in (container, pod):
        with pytest.raises(errors.InvalidRequest, match="cannot name an environment variable"):
            await tasks.create(deps, request)


def nested(levels: int) -> types_pb2.LiteralType:
    kind = INT
    for _ in range(levels):
        kind = types_pb2.LiteralType(collection_type=kind)
    return kind


def deep_task(levels: int) -> bytes:
    closure = task_pb2.TaskClosure()
    closure.compiled_task.template.interface.inputs.variables["x"].type.CopyFrom(nested(levels))
    return closure.SerializeToString()


@pytest.mark.parametrize("levels", [91, 92, 93, 94, 95])
async def test_a_task_nested_too_deep_is_left_out_of_lists(deps: Dependencies, levels: int) -> None:
    await tasks.create(deps, task("deep"))
    await change(deps, "UPDATE tasks SET closure = :bytes WHERE name = 'deep'", bytes=deep_task(levels))
    get = common_pb2.ObjectGetRequest(id=identifier("TASK", "deep"))

    found = await tasks.list_tasks(deps, listing())

    assert "t" in [one.id.name for one in task_pb2.TaskList.FromString(found.SerializeToString()).tasks]
    with contextlib.suppress(UnreadableRow):
        answer = await tasks.get(deps, get)
        task_pb2.Task.FromString(answer.SerializeToString())


DAMAGED = b"\xff"


async def test_damaged_rows_are_left_out_of_every_list(deps: Dependencies) -> None:
    await launch(deps)
    signal = identifier_pb2.SignalIdentifier(signal_id="s", execution_id=EXECUTION)
    await signals.get_or_create(deps, signal_pb2.SignalGetOrCreateRequest(id=signal, type=INT))
    scope = {"p": PROJECT, "d": DOMAIN}
    await change(
        deps,
        "INSERT INTO node_executions (execution_project, execution_domain, execution_name, node_id, phase, input_uri, "
        "closure, node_execution_metadata, parent_node_id, dynamic_workflow_remote_closure_reference, event_version) "
        "VALUES (:p, :d, 'e1', 'n0', 'RUNNING', '', '', '', '', '', 1)",
        **scope,
    )
    await change(
        deps,
        "INSERT INTO task_executions (execution_project, execution_domain, execution_name, node_id, project, domain, "
        "name, version, retry_attempt, phase, phase_version, input_uri, closure) "
        "VALUES (:p, :d, 'e1', 'n0', :p, :d, 't', 'v1', 0, 'RUNNING', 0, '', '')",
        **scope,
    )
    node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=EXECUTION)
    nodes = node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=EXECUTION, limit=10)
    attempts = task_execution_pb2.TaskExecutionListRequest(node_execution_id=node, limit=10)
    of_execution = signal_pb2.SignalListRequest(workflow_execution_id=EXECUTION, limit=10)

    async def counts() -> list[int]:
        return [
            len((await tasks.list_tasks(deps, listing())).tasks),
            len((await workflows.list_workflows(deps, listing())).workflows),
            len((await launch_plans.list_launch_plans(deps, listing())).launch_plans),
            len((await workflow_executions.list_executions(deps, listing())).executions),
            len((await node_executions.list_node_executions(deps, nodes)).node_executions),
            len((await task_executions.list_task_executions(deps, attempts)).task_executions),
            len((await signals.list_signals(deps, of_execution)).signals),
        ]

    before = await counts()
    for table in ("tasks", "launch_plans", "executions", "node_executions", "task_executions"):
        await change(deps, f"UPDATE {table} SET closure = :bytes", bytes=DAMAGED)
    await change(deps, "UPDATE workflows SET typed_interface = :bytes", bytes=DAMAGED)
    await change(deps, "UPDATE signals SET type = :bytes", bytes=DAMAGED)

    assert before == [1] * 7
    assert await counts() == [0] * 7


GETS: list[Callable[[Dependencies], Awaitable[object]]] = [
    lambda deps: tasks.get(deps, common_pb2.ObjectGetRequest(id=identifier("TASK", "t"))),
    lambda deps: launch_plans.get(deps, common_pb2.ObjectGetRequest(id=identifier("LAUNCH_PLAN", "w"))),
    lambda deps: workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=EXECUTION)),
    lambda deps: launch(deps, "e2"),
]


@pytest.mark.parametrize("read", GETS)
async def test_a_damaged_row_is_named_as_such(
    deps: Dependencies, read: Callable[[Dependencies], Awaitable[object]]
) -> None:
    await launch(deps)
    for table in ("tasks", "launch_plans", "executions"):
        await change(deps, f"UPDATE {table} SET closure = :bytes", bytes=DAMAGED)
    await change(deps, "UPDATE launch_plans SET digest = 'other'")

    with pytest.raises(errors.FailedPrecondition, match="cannot be read: it is damaged or nested too deep"):
        await read(deps)


async def test_a_workflow_nested_too_deep_is_named_as_such(deps: Dependencies) -> None:
    closure = workflow_pb2.WorkflowClosure()
    template = closure.compiled_workflow.primary.template
    template.interface.inputs.variables["x"].type.CopyFrom(nested(93))
    async with deps.sessions() as session:
        uri = (await session.execute(text("SELECT remote_closure_identifier FROM workflows"))).scalar_one()
    await deps.blobs.write_message(uri, closure)

    with pytest.raises(errors.FailedPrecondition, match="cannot be read: it is damaged or nested too deep"):
        await workflows.get(deps, common_pb2.ObjectGetRequest(id=identifier("WORKFLOW", "w")))


@pytest.mark.parametrize("lists", range(44, 50))
async def test_inputs_nested_too_deep_are_empty_and_the_rest_is_read(deps: Dependencies, lists: int) -> None:
    await launch(deps)
    value = integer(1)
    for _ in range(lists):
        value = literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=[value]))
    async with deps.sessions() as session:
        uri = (await session.execute(text("SELECT inputs_uri FROM executions"))).scalar_one()
    # The entry of a map, written by hand: protobuf refuses to wrap what is nested this deep.
    data = value.SerializeToString()
    entry = b"\x0a\x01a\x12" + _varint(len(data)) + data
    await deps.blobs.write(uri, b"\x0a" + _varint(len(entry)) + entry)

    found = await workflow_executions.get_data(deps, execution_pb2.WorkflowExecutionGetDataRequest(id=EXECUTION))

    execution_pb2.WorkflowExecutionGetDataResponse.FromString(found.SerializeToString())


def _varint(number: int) -> bytes:
    groups = []
    while True:
        number, low = number >> 7, number & 0x7F
        groups.append(low | (0x80 if number else 0))
        if not number:
            return bytes(groups)


async def test_a_project_with_damaged_labels_is_left_out_of_the_list(deps: Dependencies) -> None:
    await change(deps, "UPDATE projects SET labels = :bytes WHERE identifier = 'flytetester'", bytes=DAMAGED)

    found = await projects.list_projects(deps, project_pb2.ProjectListRequest())

    assert [one.id for one in found.projects] == ["flyteexamples", "flytesnacks"]
