"""Executions are checked, recorded, started, read and stopped."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, matchable_resource_pb2
from flyteidl.admin import event_pb2 as admin_event_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2, security_pb2, types_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2, wrappers_pb2
from sqlalchemy import text

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import (
    ExecutionRow,
    LaunchPlanRow,
    MatchableAttributesRow,
    NodeExecutionRow,
    ProjectRow,
    WorkflowRow,
)
from flytetemporal.admin.control import sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.events import flyte_events
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.retention import deleting
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.idl import locations
from tests.fixtures import effort
from tests.fixtures.engine import RecordingEngine

W = core_execution_pb2.WorkflowExecution
INT = types_pb2.LiteralType(simple=types_pb2.INTEGER)
GRAPH = b"a gzipped graph"
Create = execution_pb2.ExecutionCreateRequest


def identifier(name: str = "w", kind: str = "LAUNCH_PLAN") -> identifier_pb2.Identifier:
    return identifier_pb2.Identifier(
        resource_type=kind, project="flytesnacks", domain="development", name=name, version="v"
    )


def integer(value: int) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=value)))


def string(value: str) -> literals_pb2.Literal:
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(string_value=value)))


def literals(**values: literals_pb2.Literal) -> literals_pb2.LiteralMap:
    return literals_pb2.LiteralMap(literals=values)


def launch(name: str = "e1", inputs: literals_pb2.LiteralMap | None = None, **spec: Any) -> Create:
    spec.setdefault("launch_plan", identifier())
    return Create(
        project="flytesnacks",
        domain="development",
        name=name,
        spec=execution_pb2.ExecutionSpec(**spec),
        inputs=literals(a=integer(1)) if inputs is None else inputs,
    )


def execution_id(name: str = "e1") -> identifier_pb2.WorkflowExecutionIdentifier:
    return identifier_pb2.WorkflowExecutionIdentifier(project="flytesnacks", domain="development", name=name)


async def get(deps: Dependencies, name: str = "e1") -> execution_pb2.Execution:
    return await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=execution_id(name)))


async def listed(deps: Dependencies, **request: Any) -> list[str]:
    request.setdefault("limit", 10)
    scope = common_pb2.NamedEntityIdentifier(project="flytesnacks", domain="development")
    found = await workflow_executions.list_executions(deps, common_pb2.ResourceListRequest(id=scope, **request))
    return [execution.id.name for execution in found.executions]


async def report(deps: Dependencies, phase: W.Phase, **fields: Any) -> None:
    event = event_pb2.WorkflowExecutionEvent(
        execution_id=execution_id(), phase=phase, occurred_at=timestamp_pb2.Timestamp(seconds=1_700_000_000), **fields
    )
    await flyte_events.create_workflow_event(deps, admin_event_pb2.WorkflowExecutionEventRequest(event=event))


@pytest.fixture(autouse=True)
async def _registered(deps: Dependencies) -> None:
    """A project, a workflow and a launch plan with a required, a default and a fixed input."""
    graph = contract_pb2.ContentReference(
        uri=f"{deps.blobs.root}/graph", sha256=hashlib.sha256(GRAPH).hexdigest(), size_bytes=len(GRAPH)
    )
    await deps.blobs.write(graph.uri, GRAPH)
    parameters = {
        "a": interface_pb2.Parameter(var=interface_pb2.Variable(type=INT), required=True),
        "b": interface_pb2.Parameter(var=interface_pb2.Variable(type=INT), default=integer(2)),
    }
    spec = launch_plan_pb2.LaunchPlanSpec(
        workflow_id=identifier(kind="WORKFLOW"),
        fixed_inputs=literals(c=integer(3)),
        labels=common_pb2.Labels(values={"from": "plan"}),
        interruptible=wrappers_pb2.BoolValue(value=True),
    )
    closure = launch_plan_pb2.LaunchPlanClosure(expected_inputs=interface_pb2.ParameterMap(parameters=parameters))
    entity = {"project": "flytesnacks", "domain": "development", "name": "w", "version": "v"}
    async with deps.sessions.begin() as session:
        labels = common_pb2.Labels(values={"team": "ml", "from": "project"})
        session.add(ProjectRow(identifier="flytesnacks", name="flytesnacks", labels=labels.SerializeToString()))
        workflow = WorkflowRow(
            **entity,
            digest="v1:w",
            typed_interface=b"",
            remote_closure_identifier="",
            graph=graph.SerializeToString(),
            task_templates=contract_pb2.ContentReference(uri="s3://b/tasks").SerializeToString(),
        )
        session.add(workflow)
        await session.flush()
        plan = LaunchPlanRow(
            **entity,
            digest="v1:p",
            spec=spec.SerializeToString(),
            closure=closure.SerializeToString(),
            workflow_id=workflow.id,
        )
        session.add(plan)


async def test_a_launch_is_recorded_and_started(deps: Dependencies, engine: RecordingEngine) -> None:
    response = await workflow_executions.create(deps, launch(max_parallelism=7))

    assert response.id == execution_id()
    [argument] = engine.started
    assert argument.inputs.literals == literals(a=integer(1), b=integer(2), c=integer(3))
    assert argument.inline_graph == GRAPH
    assert argument.metadata_dir == f"{deps.blobs.root}/metadata/propeller/flytesnacks-development-e1"
    assert argument.settings == contract_pb2.ExecutionSettings(
        max_parallelism=7,
        interruptible=wrappers_pb2.BoolValue(value=True),
        labels=common_pb2.Labels(values={"from": "plan", "team": "ml"}),
        annotations=common_pb2.Annotations(),
        envs=common_pb2.Envs(),
        security_context=security_pb2.SecurityContext(run_as=security_pb2.Identity()),
        raw_output_prefix=f"{deps.blobs.root}/data",
        namespace="flytesnacks-development",
        cluster="local",
    )


async def test_a_new_execution_reads_as_flytes(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())

    found = await get(deps)
    assert found.closure.phase == W.UNDEFINED
    assert found.closure.workflow_id == identifier(kind="WORKFLOW")
    assert found.closure.HasField("created_at")
    assert found.spec == execution_pb2.ExecutionSpec(
        launch_plan=identifier(),
        max_parallelism=25,
        metadata=execution_pb2.ExecutionMetadata(
            system_metadata=execution_pb2.SystemMetadata(namespace="flytesnacks-development")
        ),
        security_context=security_pb2.SecurityContext(run_as=security_pb2.Identity()),
    )


async def test_inputs_are_read_back_with_defaults(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())

    data = await workflow_executions.get_data(deps, execution_pb2.WorkflowExecutionGetDataRequest(id=execution_id()))

    assert data.full_inputs == literals(a=integer(1), b=integer(2), c=integer(3))
    assert data.HasField("full_outputs")


async def test_deprecated_inputs_of_the_spec_count(deps: Dependencies, engine: RecordingEngine) -> None:
    request = launch(inputs=literals())
    request.spec.inputs.CopyFrom(literals(a=integer(9)))

    await workflow_executions.create(deps, request)

    assert engine.started[0].inputs.literals.literals["a"] == integer(9)
    assert not (await get(deps)).spec.HasField("inputs")


async def test_a_name_is_chosen_when_none_is_given(deps: Dependencies) -> None:
    name = (await workflow_executions.create(deps, launch(name=""))).id.name

    assert len(name) == 20
    assert name[0] == "a"


async def test_a_taken_name_leaves_the_first_inputs_alone(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch())

    with pytest.raises(errors.AlreadyExists, match=r"value with matching already exists \(.*executions_pkey"):
        await workflow_executions.create(deps, launch(inputs=literals(a=integer(5))))

    data = await workflow_executions.get_data(deps, execution_pb2.WorkflowExecutionGetDataRequest(id=execution_id()))
    assert data.full_inputs.literals["a"] == integer(1)
    assert len(engine.started) == 1


REFUSALS: list[tuple[Create, str]] = [
    (Create(), "missing project"),
    (launch(name="1abc"), r"invalid name format: 1abc, does not match regex '^[a-z][a-z\-0-9]*$'"),
    (launch(name="a.b"), r"invalid name format: a.b, does not match regex '^[a-z][a-z\-0-9]*$'"),
    (launch(name="a" * 64), "size of name exceeded length 63 : " + "a" * 64),
    (Create(project="flytesnacks", domain="development"), "missing spec"),
    (
        launch(launch_plan=identifier(kind="WORKFLOW")),
        "Invalid reference entity resource type [WORKFLOW], only [map[TASK:<nil> LAUNCH_PLAN:<nil>]] allowed",
    ),
    (launch(inputs=literals()), "expected_inputs a missing"),
    (
        launch(inputs=literals(a=string("x"))),
        "invalid a input wrong type. Expected simple:INTEGER, but got simple:STRING",
    ),
    (launch(inputs=literals(a=integer(1), zz=integer(2))), "invalid input zz"),
    (launch(inputs=literals(a=integer(1), c=integer(2))), "invalid input c"),
    (
        launch(labels=common_pb2.Labels(values={f"k{i}": "v" for i in range(17)})),
        "labels map cannot exceed 16 entries",
    ),
    (launch(max_parallelism=-1), "invalid value for max_parallelism: -1 is negative"),
    (
        launch(raw_output_data_config=common_pb2.RawOutputDataConfig(output_location_prefix="nonsense")),
        "invalid value for output_location_prefix: [nonsense] is not a URI",
    ),
]


@pytest.mark.parametrize(("request_", "text"), REFUSALS, ids=[text[:40] for _, text in REFUSALS])
async def test_an_entity_that_cannot_run_is_refused(
    deps: Dependencies, engine: RecordingEngine, request_: Create, text: str
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await workflow_executions.create(deps, request_)

    assert refused.value.message == text
    assert not engine.started


async def test_an_unknown_launch_plan_is_not_found(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound) as refused:
        await workflow_executions.create(deps, launch(launch_plan=identifier("nosuch")))

    assert refused.value.message == (
        'missing entity of type LAUNCH_PLAN with identifier project:"flytesnacks" domain:"development" '
        'name:"nosuch" version:"v"'
    )


async def test_settings_come_from_attributes_when_nothing_else_sets_them(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    Config = matchable_resource_pb2.WorkflowExecutionConfig  # noqa: N806
    rows = {
        ("development", "w"): Config(max_parallelism=11),
        ("", ""): Config(max_parallelism=12, envs=common_pb2.Envs(values=[literals_pb2.KeyValuePair(key="K")])),
        ("development", ""): Config(max_parallelism=13, overwrite_cache=True),
    }
    async with deps.sessions.begin() as session:
        for (domain, workflow), config in rows.items():
            attributes = matchable_resource_pb2.MatchingAttributes(workflow_execution_config=config)
            session.add(
                MatchableAttributesRow(
                    project="flytesnacks",
                    domain=domain,
                    workflow=workflow,
                    launch_plan="",
                    resource_type=matchable_resource_pb2.WORKFLOW_EXECUTION_CONFIG,
                    attributes=attributes.SerializeToString(),
                )
            )

    await workflow_executions.create(deps, launch())

    settings = engine.started[0].settings
    assert (settings.max_parallelism, settings.overwrite_cache) == (11, False)
    assert [pair.key for pair in settings.envs.values] == ["K"]


async def test_a_launch_survives_an_engine_that_is_down(deps: Dependencies, engine: RecordingEngine) -> None:
    engine.down = True
    await workflow_executions.create(deps, launch())
    engine.down = False

    await sweep_pending.start_recorded(deps, findings := Findings(), timedelta())

    assert findings.counts == {"never_started": 1}
    assert [argument.execution_id.name for argument in engine.started] == ["e1"]
    assert engine.started[0].inline_graph == GRAPH


async def test_young_executions_are_left_to_their_callers(deps: Dependencies, engine: RecordingEngine) -> None:
    engine.down = True
    await workflow_executions.create(deps, launch())
    engine.down = False

    await sweep_pending.start_recorded(deps, findings := Findings(), timedelta(minutes=1))

    assert findings.counts == {}


async def test_a_relaunch_repeats_spec_and_inputs(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch(max_parallelism=7))

    request = execution_pb2.ExecutionRelaunchRequest(id=execution_id(), name="e2", overwrite_cache=True)
    await workflow_executions.relaunch(deps, request)

    again = await get(deps, "e2")
    assert again.spec.metadata.mode == execution_pb2.ExecutionMetadata.RELAUNCH
    assert again.spec.metadata.reference_execution == execution_id()
    assert (again.spec.max_parallelism, again.spec.overwrite_cache) == (7, True)
    assert engine.started[1].inputs.literals == engine.started[0].inputs.literals
    assert engine.started[1].settings.overwrite_cache


async def test_recovery_of_what_still_runs_is_refused(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())

    with pytest.raises(errors.NotFound):
        await workflow_executions.recover(deps, execution_pb2.ExecutionRecoverRequest(id=execution_id("nosuch")))
    with pytest.raises(errors.FailedPrecondition, match="recover it, or fork it as it is with: flytetemporal fork e1"):
        await workflow_executions.recover(deps, execution_pb2.ExecutionRecoverRequest(id=execution_id()))


async def end(deps: Dependencies, name: str = "e1") -> None:
    async with deps.sessions.begin() as session:
        row = await execution_lookup.locked_execution(session, execution_id(name))
        row.phase = "FAILED"


async def test_a_recovery_repeats_spec_and_inputs_and_refers_to_what_it_recovers(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await workflow_executions.create(deps, launch(max_parallelism=7, overwrite_cache=True))
    await end(deps)

    await workflow_executions.recover(deps, execution_pb2.ExecutionRecoverRequest(id=execution_id(), name="e2"))
    await end(deps, "e2")
    await workflow_executions.recover(deps, execution_pb2.ExecutionRecoverRequest(id=execution_id("e2"), name="e3"))

    again = await get(deps, "e2")
    assert again.spec.metadata.mode == execution_pb2.ExecutionMetadata.RECOVERED
    assert again.spec.metadata.reference_execution == execution_id()
    assert (again.spec.max_parallelism, again.spec.overwrite_cache) == (7, True)
    assert engine.started[1].inputs.literals == engine.started[0].inputs.literals
    assert not engine.started[0].HasField("recovered_from")
    assert [started.recovered_from.name for started in engine.started[1:]] == ["e1", "e2"]


async def test_a_relaunch_of_a_recovery_recovers_nothing(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch())
    await end(deps)
    await workflow_executions.recover(deps, execution_pb2.ExecutionRecoverRequest(id=execution_id(), name="e2"))

    await workflow_executions.relaunch(deps, execution_pb2.ExecutionRelaunchRequest(id=execution_id("e2"), name="e3"))

    assert not engine.started[2].HasField("recovered_from")


async def test_a_child_belongs_to_its_parent(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id())
    metadata = execution_pb2.ExecutionMetadata(
        mode=execution_pb2.ExecutionMetadata.CHILD_WORKFLOW, parent_node_execution=node
    )
    with pytest.raises(errors.NotFound):
        await workflow_executions.create(deps, launch("child", metadata=metadata))
    running = event_pb2.NodeExecutionEvent(
        id=node, phase=core_execution_pb2.NodeExecution.RUNNING, occurred_at=timestamp_pb2.Timestamp(seconds=1)
    )
    await flyte_events.create_node_event(deps, admin_event_pb2.NodeExecutionEventRequest(event=running))

    await workflow_executions.create(deps, launch("child", metadata=metadata))

    assert (await get(deps, "child")).spec.metadata.nesting == 1
    async with deps.sessions() as session:
        key = ("flytesnacks", "development")
        parent, child = [await session.get_one(ExecutionRow, (*key, name)) for name in ("e1", "child")]
        node_row = await session.get_one(NodeExecutionRow, (*key, "e1", "n0"))
    assert (child.source_execution_id, child.parent_node_execution_id) == (parent.id, node_row.id)


async def test_a_childs_launch_plan_wins_over_what_the_node_inherits(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await workflow_executions.create(deps, launch())
    node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id())
    running = event_pb2.NodeExecutionEvent(
        id=node, phase=core_execution_pb2.NodeExecution.RUNNING, occurred_at=timestamp_pb2.Timestamp(seconds=1)
    )
    await flyte_events.create_node_event(deps, admin_event_pb2.NodeExecutionEventRequest(event=running))
    metadata = execution_pb2.ExecutionMetadata(
        mode=execution_pb2.ExecutionMetadata.CHILD_WORKFLOW, parent_node_execution=node
    )
    labels = common_pb2.Labels(values={"from": "parent", "execution-id": "e1"})
    inherited: dict[str, Any] = {
        "labels": labels,
        "interruptible": wrappers_pb2.BoolValue(value=False),
        "max_parallelism": 4,
    }

    await workflow_executions.create(deps, launch("child", metadata=metadata, **inherited))

    parent, child = engine.started
    assert list(parent.inherited.fields) == ["labels", "interruptible"]
    assert list(child.inherited.fields) == ["max_parallelism", "labels", "interruptible"]
    assert (child.settings.interruptible.value, child.settings.max_parallelism) == (True, 4)
    shown = (await get(deps, "child")).spec
    assert (shown.interruptible.value, shown.max_parallelism) == (True, 4)
    assert dict(shown.labels.values) == {"from": "plan", "execution-id": "e1"}


async def test_termination_is_recorded_and_asked_of_the_engine(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch())
    await report(deps, W.RUNNING)

    await workflow_executions.terminate(
        deps, execution_pb2.ExecutionTerminateRequest(id=execution_id(), cause="enough")
    )

    closure = (await get(deps)).closure
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTING, "enough")
    assert engine.cancelled == [("e1", "enough")]


async def test_aborted_keeps_its_cause(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    await workflow_executions.terminate(
        deps, execution_pb2.ExecutionTerminateRequest(id=execution_id(), cause="enough")
    )

    with pytest.raises(errors.FailedPrecondition):
        await report(deps, W.FAILING)
    await report(deps, W.ABORTED)

    closure = (await get(deps)).closure
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTED, "enough")


async def test_an_execution_that_never_ran_is_aborted_at_once(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch())
    engine.running.clear()

    await workflow_executions.terminate(
        deps, execution_pb2.ExecutionTerminateRequest(id=execution_id(), cause="enough")
    )

    assert (await get(deps)).closure.phase == W.ABORTED


async def test_an_abort_that_was_not_delivered_is_repeated(deps: Dependencies, engine: RecordingEngine) -> None:
    await workflow_executions.create(deps, launch())
    engine.down = True
    await workflow_executions.terminate(
        deps, execution_pb2.ExecutionTerminateRequest(id=execution_id(), cause="enough")
    )
    engine.down = False

    await sweep_pending.deliver_aborts(deps, Findings(), timedelta())

    assert engine.cancelled == [("e1", "enough")]


async def test_an_ended_execution_cannot_be_terminated(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    await report(deps, W.SUCCEEDED)

    with pytest.raises(errors.AlreadyTerminal) as refused:
        await workflow_executions.terminate(deps, execution_pb2.ExecutionTerminateRequest(id=execution_id()))

    [detail] = refused.value.details
    assert isinstance(detail, admin_event_pb2.EventFailureReason)
    assert detail.already_in_terminal_state.current_phase == "SUCCEEDED"


async def test_archived_executions_are_listed_on_demand(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    await workflow_executions.create(deps, launch("e2"))

    archived = execution_pb2.EXECUTION_ARCHIVED
    await workflow_executions.update(deps, execution_pb2.ExecutionUpdateRequest(id=execution_id(), state=archived))

    assert await listed(deps) == ["e2"]
    assert await listed(deps, filters="eq(state,1)") == ["e1"]
    assert (await get(deps)).closure.state_change_details.state == archived


async def test_executions_are_found_by_tag_and_label(deps: Dependencies) -> None:
    await workflow_executions.create(
        deps, launch(tags=["nightly"], labels=common_pb2.Labels(values={"eager-exec": "x"}))
    )
    await workflow_executions.create(deps, launch("e2"))

    assert await listed(deps, filters="eq(admin_tag.name,nightly)") == ["e1"]
    by_label = "value_in(execution_tag.key,eager-exec)+value_in(execution_tag.value,x)+value_in(phase,UNDEFINED)"
    assert await listed(deps, filters=by_label) == ["e1"]


async def test_lists_come_in_pages_newest_first(deps: Dependencies) -> None:
    for name in ("e1", "e2", "e3"):
        await workflow_executions.create(deps, launch(name))

    assert await listed(deps, limit=2) == ["e3", "e2"]
    assert await listed(deps, limit=2, token="2") == ["e1"]


async def test_lists_cut_error_texts(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    await report(deps, W.FAILED, error=core_execution_pb2.ExecutionError(code="X", message="é" * 80))

    scope = common_pb2.NamedEntityIdentifier(project="flytesnacks", domain="development")
    found = await workflow_executions.list_executions(deps, common_pb2.ResourceListRequest(id=scope, limit=1))

    assert found.executions[0].closure.error.message == "é" * 50
    assert (await get(deps)).closure.error.message == "é" * 80


MISSING = 'missing entity of type execution with identifier project:"flytesnacks" domain:"development" name:"nosuch"'


async def test_unknown_executions_are_named_as_flyte_names_them(deps: Dependencies) -> None:
    unknown = execution_id("nosuch")
    calls = [
        workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=unknown)),
        workflow_executions.get_data(deps, execution_pb2.WorkflowExecutionGetDataRequest(id=unknown)),
        workflow_executions.get_metrics(deps, execution_pb2.WorkflowExecutionGetMetricsRequest(id=unknown, depth=2)),
        workflow_executions.terminate(deps, execution_pb2.ExecutionTerminateRequest(id=unknown)),
        workflow_executions.update(deps, execution_pb2.ExecutionUpdateRequest(id=unknown)),
        workflow_executions.relaunch(deps, execution_pb2.ExecutionRelaunchRequest(id=unknown)),
    ]
    for call in calls:
        with pytest.raises(errors.NotFound) as refused:
            await call

        assert refused.value.message == MISSING


@pytest.mark.parametrize(
    ("identifier_", "text"), [(None, "missing id"), (execution_id(""), "missing name")], ids=["no id", "no name"]
)
async def test_incomplete_ids_are_refused(
    deps: Dependencies, identifier_: identifier_pb2.WorkflowExecutionIdentifier | None, text: str
) -> None:
    with pytest.raises(errors.InvalidRequest) as refused:
        await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=identifier_))

    assert refused.value.message == text


async def test_policies_of_all_levels_reach_the_engine(deps: Dependencies, engine: RecordingEngine) -> None:
    given = common_pb2.Annotations(
        values={"flytetemporal.io/timeout": "1h", "flytetemporal.io/retry": "[{cause: SYSTEM, retries: 7}]"}
    )

    await workflow_executions.create(deps, launch(annotations=given))

    settings = engine.started[0].settings
    assert settings.timeout.seconds == 3600
    assert [(rule.cause, rule.retries.value) for rule in settings.retry_rules] == [("SYSTEM", 7)]
    assert (await get(deps)).spec.annotations == given


async def test_a_policy_that_cannot_be_read_refuses_the_launch(deps: Dependencies) -> None:
    given = common_pb2.Annotations(values={"flytetemporal.io/timeout": "soon"})

    with pytest.raises(errors.InvalidRequest, match=r"annotation flytetemporal\.io/timeout of the execution: "):
        await workflow_executions.create(deps, launch(annotations=given))


async def test_policies_of_every_level_add_up_the_specific_first(deps: Dependencies, engine: RecordingEngine) -> None:
    await annotate(deps, "development", "w", cause="WORKFLOW")
    await annotate(deps, "development", "", cause="DOMAIN", limit="2h")
    await annotate(deps, "", "", cause="PROJECT", limit="3h")
    given = common_pb2.Annotations(values={"flytetemporal.io/retry": "[{cause: EXECUTION}]"})

    await workflow_executions.create(deps, launch(annotations=given))

    settings = engine.started[0].settings
    assert [rule.cause for rule in settings.retry_rules] == ["EXECUTION", "WORKFLOW", "DOMAIN", "PROJECT"]
    assert settings.timeout.seconds == 2 * 3600


async def test_a_policy_of_another_level_that_cannot_be_read_is_named(deps: Dependencies) -> None:
    await annotate(deps, "development", "", limit="soon")

    with pytest.raises(errors.InvalidRequest) as refused:
        await workflow_executions.create(deps, launch())

    assert refused.value.message.startswith(
        "annotation flytetemporal.io/timeout of the attributes of project flytesnacks, domain development: "
    )


async def annotate(deps: Dependencies, domain: str, workflow: str, cause: str = "", limit: str = "") -> None:
    """Store attributes past the checks, as those of an older version may be."""
    values = {"retry": f"[{{cause: {cause}}}]" if cause else "", "timeout": limit}
    given = {f"flytetemporal.io/{key}": value for key, value in values.items() if value}
    config = matchable_resource_pb2.WorkflowExecutionConfig(annotations=common_pb2.Annotations(values=given))
    attributes = matchable_resource_pb2.MatchingAttributes(workflow_execution_config=config)
    async with deps.sessions.begin() as session:
        session.add(
            MatchableAttributesRow(
                project="flytesnacks",
                domain=domain,
                workflow=workflow,
                launch_plan="",
                resource_type=matchable_resource_pb2.WORKFLOW_EXECUTION_CONFIG,
                attributes=attributes.SerializeToString(),
            )
        )


async def test_a_launch_sends_seven_statements_and_a_read_one(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch("warm"))  # The target of the launch is cached.

    with effort.statements(deps.sessions) as sent:
        await workflow_executions.create(deps, launch("e1"))
    assert len(sent) == 7

    with effort.statements(deps.sessions) as sent:
        await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=execution_id("e1")))
    assert len(sent) == 1


async def remove(deps: Dependencies, name: str = "e1") -> None:
    """Delete an execution that has ended a while ago."""
    async with deps.sessions.begin() as session:
        aged = "update executions set phase = 'SUCCEEDED', updated_at = now() - interval '1 hour'"
        await session.execute(text(aged))
    await deleting.delete_execution(deps, retention_pb2.DeleteExecutionRequest(execution_id=execution_id(name)))


async def test_a_name_is_free_again_once_what_had_it_is_removed_with_all_its_files(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await workflow_executions.create(deps, launch())
    await remove(deps)
    with pytest.raises(errors.NotFound):
        await get(deps)

    with pytest.raises(errors.Unavailable, match="e1 was deleted and its files are still being removed"):
        await workflow_executions.create(deps, launch())
    assert len(engine.started) == 1

    async with deps.sessions.begin() as session:
        await session.execute(text("update removals set finished_at = now()"))
    await workflow_executions.create(deps, launch())
    assert len(engine.started) == 2


async def test_a_name_whose_files_others_can_use_is_never_free_again(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await workflow_executions.create(deps, launch())
    await remove(deps)
    async with deps.sessions.begin() as session:
        await session.execute(text("update removals set finished_at = now(), kept_files = 1"))

    with pytest.raises(errors.FailedPrecondition, match="e1 was deleted, but others can use files of it"):
        await workflow_executions.create(deps, launch())
    assert len(engine.started) == 1


def value_of(deps: Dependencies, name: str = "e1") -> literals_pb2.Literal:
    """Return a reference to a value that an execution has stored."""
    value = literals_pb2.Literal()
    folder = locations.metadata_dir(deps.blobs.root, execution_id(name))
    value.offloaded_metadata.uri = f"{folder}/n0/data/0/o0_offloaded_metadata.pb"
    value.offloaded_metadata.inferred_type.CopyFrom(INT)
    return value


async def test_an_execution_whose_values_are_inputs_of_another_one_is_not_deleted(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    await workflow_executions.create(deps, launch("e2", literals(a=value_of(deps))))

    with pytest.raises(errors.FailedPrecondition, match="e2 has inputs that are stored as its values"):
        await remove(deps)

    await remove(deps, "e2")
    await remove(deps)


async def test_values_of_an_execution_that_is_being_deleted_are_no_inputs(
    deps: Dependencies, engine: RecordingEngine
) -> None:
    await workflow_executions.create(deps, launch())
    async with deps.sessions.begin() as session:
        # As a removal that has not been committed: the launch waits for it instead of reading what was there before.
        await session.execute(text("select 1 from executions where execution_name = 'e1' for update"))
        launching = asyncio.create_task(workflow_executions.create(deps, launch("e2", literals(a=value_of(deps)))))
        done, _ = await asyncio.wait([launching], timeout=0.5)
        assert not done
        await session.execute(text("delete from executions where execution_name = 'e1'"))
        session.add(
            RemovalRow(
                kind="execution",
                project="flytesnacks",
                domain="development",
                name="e1",
                removed_by="ann",
                reason="deleted",
            )
        )

    with pytest.raises(errors.Unavailable, match="e1 was deleted and is still being removed"):
        await launching
    assert len(engine.started) == 1


async def test_what_is_recovered_below_another_execution_is_not_deleted(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    await workflow_executions.create(deps, launch("parent"))
    node_id = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id("parent"))
    running = event_pb2.NodeExecutionEvent(id=node_id, phase="RUNNING", occurred_at=timestamp_pb2.Timestamp(seconds=1))
    await flyte_events.create_node_event(deps, admin_event_pb2.NodeExecutionEventRequest(event=running))
    async with deps.sessions.begin() as session:
        await session.execute(text("update executions set phase = 'FAILED'"))
    recovery = execution_pb2.ExecutionRecoverRequest(id=execution_id(), name="e2")
    recovery.metadata.parent_node_execution.CopyFrom(node_id)
    await workflow_executions.recover(deps, recovery)

    with pytest.raises(errors.FailedPrecondition, match="e2 has inputs that are stored as its values"):
        await remove(deps)


async def test_what_is_recovered_is_not_deleted_meanwhile(deps: Dependencies) -> None:
    await workflow_executions.create(deps, launch())
    async with deps.sessions.begin() as session:
        await session.execute(text("update executions set phase = 'FAILED', updated_at = now() - interval '1 hour'"))
    recovery = execution_pb2.ExecutionRecoverRequest(id=execution_id(), name="e2")
    await workflow_executions.recover(deps, recovery)

    with pytest.raises(errors.FailedPrecondition, match="e2 was recovered or forked from it"):
        await remove(deps)
