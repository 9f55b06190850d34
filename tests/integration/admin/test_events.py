"""Events change rows as Flyte's do, one by one and in batches."""

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.admin import event_pb2 as admin_event_pb2
from flyteidl.core import compiler_pb2, identifier_pb2, literals_pb2, workflow_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, PauseRow
from flytetemporal.admin.events import batches, flyte_events
from flytetemporal.admin.executions import node_executions, task_executions, workflow_executions
from flytetemporal.contracts.v1 import events_pb2
from tests.fixtures.effort import statements

W = core_execution_pb2.WorkflowExecution
N = core_execution_pb2.NodeExecution
T = core_execution_pb2.TaskExecution
EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project="flytesnacks", domain="development", name="e1")
UNKNOWN = identifier_pb2.WorkflowExecutionIdentifier(
    project="flytesnacks", domain="development", name="nosuchexecution"
)
TASK = identifier_pb2.Identifier(
    resource_type=identifier_pb2.TASK, project="flytesnacks", domain="development", name="t", version="v"
)


def at(seconds: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=1_700_000_000 + seconds)


def node_id(name: str = "n0") -> identifier_pb2.NodeExecutionIdentifier:
    return identifier_pb2.NodeExecutionIdentifier(node_id=name, execution_id=EXECUTION)


def task_id(name: str = "n0", attempt: int = 0) -> identifier_pb2.TaskExecutionIdentifier:
    return identifier_pb2.TaskExecutionIdentifier(task_id=TASK, node_execution_id=node_id(name), retry_attempt=attempt)


def workflow_event(phase: W.Phase, second: int = 0, **fields: Any) -> event_pb2.WorkflowExecutionEvent:
    return event_pb2.WorkflowExecutionEvent(execution_id=EXECUTION, phase=phase, occurred_at=at(second), **fields)


def node_event(phase: N.Phase, second: int = 0, name: str = "n0", **fields: Any) -> event_pb2.NodeExecutionEvent:
    fields.setdefault("event_version", 1)
    return event_pb2.NodeExecutionEvent(
        id=node_id(name), phase=phase, occurred_at=at(second), spec_node_id=name, **fields
    )


def task_event(phase: T.Phase, second: int = 0, name: str = "n0", **fields: Any) -> event_pb2.TaskExecutionEvent:
    return event_pb2.TaskExecutionEvent(
        task_id=TASK, parent_node_execution_id=node_id(name), phase=phase, occurred_at=at(second), **fields
    )


@pytest.fixture
async def execution(deps: Dependencies) -> None:
    async with deps.sessions.begin() as session:
        session.add(
            ExecutionRow(
                execution_project=EXECUTION.project,
                execution_domain=EXECUTION.domain,
                execution_name=EXECUTION.name,
                cluster="local",
                closure=execution_pb2.ExecutionClosure(created_at=at(0), updated_at=at(0)).SerializeToString(),
                spec=execution_pb2.ExecutionSpec().SerializeToString(),
            )
        )


pytestmark = pytest.mark.usefixtures("execution")


async def send_workflow(deps: Dependencies, *sent: event_pb2.WorkflowExecutionEvent) -> None:
    for event in sent:
        await flyte_events.create_workflow_event(deps, admin_event_pb2.WorkflowExecutionEventRequest(event=event))


async def send_node(deps: Dependencies, *sent: event_pb2.NodeExecutionEvent) -> None:
    for event in sent:
        await flyte_events.create_node_event(deps, admin_event_pb2.NodeExecutionEventRequest(event=event))


async def send_task(deps: Dependencies, *sent: event_pb2.TaskExecutionEvent) -> None:
    for event in sent:
        await flyte_events.create_task_event(deps, admin_event_pb2.TaskExecutionEventRequest(event=event))


Sent = event_pb2.WorkflowExecutionEvent | event_pb2.NodeExecutionEvent | event_pb2.TaskExecutionEvent


async def send_batch(deps: Dependencies, sent: Sequence[Sent]) -> int:
    kinds = {
        event_pb2.WorkflowExecutionEvent: "workflow",
        event_pb2.NodeExecutionEvent: "node",
        event_pb2.TaskExecutionEvent: "task",
    }
    batch = events_pb2.RecordEventsRequest()
    for event in sent:
        getattr(batch.events.add(), kinds[type(event)]).CopyFrom(event)
    return (await batches.record_events(deps, batch)).applied


async def get_execution(deps: Dependencies) -> execution_pb2.Execution:
    return await workflow_executions.get(deps, execution_pb2.WorkflowExecutionGetRequest(id=EXECUTION))


async def get_node(deps: Dependencies, name: str = "n0") -> node_execution_pb2.NodeExecution:
    return await node_executions.get(deps, node_execution_pb2.NodeExecutionGetRequest(id=node_id(name)))


async def get_task(deps: Dependencies, name: str = "n0", attempt: int = 0) -> task_execution_pb2.TaskExecution:
    return await task_executions.get(deps, task_execution_pb2.TaskExecutionGetRequest(id=task_id(name, attempt)))


async def listed_nodes(deps: Dependencies) -> list[str]:
    request = node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=EXECUTION, limit=10)
    found = await node_executions.list_node_executions(deps, request)
    return [node.id.node_id for node in found.node_executions]


async def test_a_workflow_runs_to_its_end(deps: Dependencies) -> None:
    await send_workflow(
        deps, workflow_event(W.RUNNING, 1), workflow_event(W.SUCCEEDED, 4, output_uri="s3://b/outputs.pb")
    )

    closure = (await get_execution(deps)).closure
    assert closure.phase == W.SUCCEEDED
    assert (closure.started_at, closure.updated_at, closure.duration.seconds) == (at(1), at(4), 3)
    assert closure.outputs.uri == "s3://b/outputs.pb"


async def test_a_repeated_workflow_phase_exists_already(deps: Dependencies) -> None:
    await send_workflow(deps, workflow_event(W.RUNNING))

    with pytest.raises(errors.AlreadyExists):
        await send_workflow(deps, workflow_event(W.RUNNING))


async def test_an_ended_workflow_names_its_stored_phase(deps: Dependencies) -> None:
    await send_workflow(deps, workflow_event(W.FAILED))

    with pytest.raises(errors.AlreadyTerminal) as refused:
        await send_workflow(deps, workflow_event(W.SUCCEEDED))

    [detail] = refused.value.details
    assert detail == admin_event_pb2.EventFailureReason(
        already_in_terminal_state=admin_event_pb2.EventErrorAlreadyInTerminalState(current_phase="FAILED")
    )


async def test_a_running_workflow_is_not_queued_again(deps: Dependencies) -> None:
    await send_workflow(deps, workflow_event(W.RUNNING))

    with pytest.raises(errors.FailedPrecondition):
        await send_workflow(deps, workflow_event(W.QUEUED))


async def test_another_cluster_may_not_report(deps: Dependencies) -> None:
    with pytest.raises(errors.FailedPrecondition) as refused:
        await send_workflow(deps, workflow_event(W.RUNNING, producer_id="elsewhere"))

    [detail] = refused.value.details
    assert isinstance(detail, admin_event_pb2.EventFailureReason)
    assert detail.incompatible_cluster.cluster == "elsewhere"


async def test_a_queued_event_moves_the_execution_to_its_cluster(deps: Dependencies) -> None:
    await send_workflow(
        deps,
        workflow_event(W.QUEUED, producer_id="elsewhere"),
        workflow_event(W.RUNNING, producer_id="elsewhere"),
    )

    metadata = (await get_execution(deps)).spec.metadata
    assert metadata.system_metadata.execution_cluster == "elsewhere"


async def test_node_events_build_the_node(deps: Dependencies) -> None:
    metadata = event_pb2.TaskNodeMetadata(checkpoint_uri="s3://b/cp")
    await send_node(
        deps,
        node_event(N.QUEUED, 1, input_uri="s3://b/inputs.pb"),
        node_event(N.RUNNING, 2, deck_uri="s3://b/deck.html"),
        node_event(N.SUCCEEDED, 5, output_uri="s3://b/outputs.pb", task_node_metadata=metadata, is_dynamic=True),
    )

    node = await get_node(deps)
    closure = node.closure
    assert node.input_uri == "s3://b/inputs.pb"
    assert (closure.phase, closure.output_uri, closure.deck_uri) == (N.SUCCEEDED, "s3://b/outputs.pb", "")
    assert (closure.created_at, closure.started_at, closure.updated_at) == (at(1), at(2), at(5))
    assert closure.duration.seconds == 3
    assert closure.task_node_metadata.checkpoint_uri == "s3://b/cp"
    assert (node.metadata.spec_node_id, node.metadata.is_dynamic) == ("n0", True)


async def test_a_repeated_node_phase_exists_already(deps: Dependencies) -> None:
    await send_node(deps, node_event(N.RUNNING))

    with pytest.raises(errors.AlreadyExists):
        await send_node(deps, node_event(N.RUNNING))


async def test_an_ended_node_names_the_phase_that_came(deps: Dependencies) -> None:
    await send_node(deps, node_event(N.SUCCEEDED))

    with pytest.raises(errors.AlreadyTerminal) as refused:
        await send_node(deps, node_event(N.RUNNING))

    [detail] = refused.value.details
    assert isinstance(detail, admin_event_pb2.EventFailureReason)
    assert detail.already_in_terminal_state.current_phase == "RUNNING"


async def test_a_node_needs_its_parent(deps: Dependencies) -> None:
    parent = event_pb2.ParentNodeExecutionMetadata(node_id="n7")

    with pytest.raises(errors.NotFound):
        await send_node(deps, node_event(N.RUNNING, parent_node_metadata=parent))


async def test_a_node_without_an_execution_is_not_found(deps: Dependencies) -> None:
    event = node_event(N.RUNNING)
    event.id.execution_id.CopyFrom(UNKNOWN)

    with pytest.raises(errors.NotFound) as refused:
        await send_node(deps, event)

    text = 'project:"flytesnacks" domain:"development" name:"nosuchexecution"'
    assert refused.value.message == (
        f"Failed to get existing execution id: [{text}] with err: "
        f"missing entity of type execution with identifier {text}"
    )


async def test_a_dynamic_closure_is_stored_and_read_back(deps: Dependencies) -> None:
    made = identifier_pb2.Identifier(
        resource_type=identifier_pb2.WORKFLOW, project="flytesnacks", domain="development", name="dyn", version="v"
    )
    compiled = compiler_pb2.CompiledWorkflowClosure(
        primary=compiler_pb2.CompiledWorkflow(template=workflow_pb2.WorkflowTemplate(id=made))
    )
    dynamic = event_pb2.DynamicWorkflowNodeMetadata(
        id=made, compiled_workflow=compiled, dynamic_job_spec_uri="s3://b/futures.pb"
    )
    event = node_event(
        N.DYNAMIC_RUNNING, task_node_metadata=event_pb2.TaskNodeMetadata(dynamic_workflow=dynamic), is_parent=True
    )

    await send_node(deps, event)

    data = await node_executions.get_data(deps, node_execution_pb2.NodeExecutionGetDataRequest(id=node_id()))
    assert data.dynamic_workflow == node_execution_pb2.DynamicWorkflowNodeMetadata(
        id=made, compiled_workflow=compiled, dynamic_job_spec_uri="s3://b/futures.pb"
    )
    request = node_execution_pb2.GetDynamicNodeWorkflowRequest(id=node_id())
    assert (await node_executions.get_dynamic_workflow(deps, request)).compiled_workflow == compiled


async def test_inline_outputs_are_stored_and_read_back(deps: Dependencies) -> None:
    values = literals_pb2.LiteralMap(
        literals={"o0": literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=7)))}
    )
    await send_node(deps, node_event(N.SUCCEEDED, output_data=values, input_data=values))
    await send_task(deps, task_event(T.SUCCEEDED, output_data=values))

    node = await node_executions.get_data(deps, node_execution_pb2.NodeExecutionGetDataRequest(id=node_id()))
    task = await task_executions.get_data(deps, task_execution_pb2.TaskExecutionGetDataRequest(id=task_id()))
    assert (node.full_inputs, node.full_outputs, task.full_outputs) == (values, values, values)
    assert node.flyte_urls.outputs == "flyte://v1/flytesnacks/development/e1/n0/o"
    assert task.flyte_urls.inputs == "flyte://v1/flytesnacks/development/e1/n0/0/i"


async def test_outputs_that_are_too_large_exceed_the_quota(deps: Dependencies) -> None:
    text = literals_pb2.Primitive(string_value="x" * (deps.settings.max_data_bytes + 1))
    values = literals_pb2.LiteralMap(literals={"o0": literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=text))})

    with pytest.raises(errors.QuotaExceeded):
        await send_workflow(deps, workflow_event(W.SUCCEEDED, output_data=values))


async def test_task_events_build_the_attempt(deps: Dependencies) -> None:
    error = core_execution_pb2.ExecutionError(code="USER:Broken", message="broken")
    await send_node(deps, node_event(N.RUNNING))
    await send_task(
        deps,
        task_event(T.QUEUED, 1, task_type="python-task", event_version=1),
        task_event(T.RUNNING, 2, logs=[core_execution_pb2.TaskLog(name="log", uri="http://log")]),
        task_event(T.FAILED, 4, error=error),
    )

    task = await get_task(deps)
    closure = task.closure
    assert (closure.phase, closure.task_type, closure.error) == (T.FAILED, "python-task", error)
    assert (closure.duration.seconds, len(closure.logs)) == (2, 1)
    assert not task.is_parent


async def test_a_task_version_counts_up_within_a_phase(deps: Dependencies) -> None:
    await send_node(deps, node_event(N.RUNNING))
    await send_task(deps, task_event(T.RUNNING), task_event(T.RUNNING, phase_version=1))

    with pytest.raises(errors.AlreadyExists):
        await send_task(deps, task_event(T.RUNNING, phase_version=1))


async def test_a_task_needs_its_node(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest):
        await send_task(deps, task_event(T.RUNNING))


async def test_a_task_event_without_a_time_is_refused(deps: Dependencies) -> None:
    event = event_pb2.TaskExecutionEvent(task_id=TASK, parent_node_execution_id=node_id(), phase=T.RUNNING)

    with pytest.raises(errors.InvalidRequest, match=r"^missing occurred_at$"):
        await send_task(deps, event)


async def test_a_task_shows_that_nodes_belong_to_it(deps: Dependencies) -> None:
    await send_node(deps, node_event(N.RUNNING))
    await send_task(deps, task_event(T.RUNNING))
    parent = event_pb2.ParentTaskExecutionMetadata(id=task_id())
    await send_node(deps, node_event(N.RUNNING, name="n0-0-dn0", parent_task_metadata=parent, event_version=0))

    assert (await get_task(deps)).is_parent


async def test_old_senders_parents_are_found_out(deps: Dependencies) -> None:
    parent = event_pb2.ParentNodeExecutionMetadata(node_id="n0")
    await send_node(
        deps,
        node_event(N.RUNNING, event_version=0),
        node_event(N.RUNNING, name="n0-0-dn0", parent_node_metadata=parent, event_version=0),
    )

    assert (await get_node(deps)).metadata.is_parent_node
    assert not (await get_node(deps, "n0-0-dn0")).metadata.is_parent_node


@pytest.mark.parametrize(
    "order", [lambda e: e, lambda e: e[::-1], lambda e: [*e, *e]], ids=["in order", "back", "twice"]
)
async def test_a_batch_ends_the_same_in_any_order(
    deps: Dependencies, order: Callable[[list[Sent]], list[Sent]]
) -> None:
    stream: list[Sent] = [
        workflow_event(W.RUNNING, 1),
        node_event(N.QUEUED, 1),
        node_event(N.RUNNING, 2),
        task_event(T.QUEUED, 2),
        task_event(T.RUNNING, 3, phase_version=1),
        task_event(T.SUCCEEDED, 5, output_uri="s3://b/task"),
        node_event(N.SUCCEEDED, 6, output_uri="s3://b/node"),
        workflow_event(W.SUCCEEDED, 7, output_uri="s3://b/workflow"),
    ]

    await send_batch(deps, order(stream))

    execution, node, task = await get_execution(deps), await get_node(deps), await get_task(deps)
    assert (execution.closure.phase, execution.closure.duration.seconds) == (W.SUCCEEDED, 6)
    assert (node.closure.phase, node.closure.output_uri) == (N.SUCCEEDED, "s3://b/node")
    assert (node.closure.created_at, node.closure.started_at, node.closure.duration.seconds) == (at(1), at(2), 4)
    assert (task.closure.phase, task.closure.duration.seconds) == (T.SUCCEEDED, 2)


async def test_nodes_of_one_batch_are_listed_in_the_order_of_their_events(deps: Dependencies) -> None:
    names = ["n2", "n0", "n1"]
    await send_batch(deps, [node_event(N.RUNNING, second, name) for second, name in enumerate(names, start=1)])

    request = node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=EXECUTION, limit=10)
    request.sort_by.key, request.sort_by.direction = "created_at", common_pb2.Sort.ASCENDING
    found = await node_executions.list_node_executions(deps, request)

    assert [node.id.node_id for node in found.node_executions] == names


async def test_what_runs_has_a_duration_of_zero_in_filters(deps: Dependencies) -> None:
    await send_batch(deps, [node_event(N.RUNNING, 1)])

    request = node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=EXECUTION, limit=10)
    request.filters = "eq(duration,0)"
    found = await node_executions.list_node_executions(deps, request)

    assert [node.id.node_id for node in found.node_executions] == ["n0"]


async def test_a_repeated_batch_applies_nothing(deps: Dependencies) -> None:
    stream: list[Sent] = [workflow_event(W.RUNNING), node_event(N.RUNNING), task_event(T.RUNNING)]

    assert await send_batch(deps, stream) == 3
    assert await send_batch(deps, stream) == 0


async def test_a_task_may_come_before_its_node(deps: Dependencies) -> None:
    await send_batch(deps, [task_event(T.RUNNING, 3)])
    with pytest.raises(errors.NotFound):
        await get_node(deps)
    assert not await listed_nodes(deps)

    await send_batch(deps, [node_event(N.QUEUED, 1), node_event(N.RUNNING, 2)])

    assert await listed_nodes(deps) == ["n0"]
    node = await get_node(deps)
    assert (node.closure.phase, node.closure.created_at, node.metadata.spec_node_id) == (N.RUNNING, at(1), "n0")


async def test_the_end_of_a_workflow_closes_what_is_open(deps: Dependencies) -> None:
    error = core_execution_pb2.ExecutionError(code="USER:Broken", message="n9 broke")
    started = node_event(N.RUNNING, 1, deck_uri="s3://b/deck.html")
    open_rows: list[Sent] = [started, task_event(T.RUNNING, 1), node_event(N.SUCCEEDED, 2, name="n1")]
    await send_batch(deps, open_rows)

    await send_batch(deps, [workflow_event(W.FAILED, 9, error=error)])

    node, task = await get_node(deps), await get_task(deps)
    assert node.closure.phase == N.ABORTED
    assert (node.closure.error.code, node.closure.error.message) == ("NodeAborted", "n9 broke")
    assert node.closure.deck_uri == "s3://b/deck.html"
    assert (node.closure.updated_at, task.closure.phase) == (at(9), T.ABORTED)
    assert (await get_node(deps, "n1")).closure.phase == N.SUCCEEDED


async def test_a_node_that_opens_after_the_end_is_closed_at_once(deps: Dependencies) -> None:
    await send_batch(deps, [workflow_event(W.ABORTED, 5)])

    await send_batch(deps, [node_event(N.RUNNING, 4)])

    assert (await get_node(deps)).closure.phase == N.ABORTED


async def test_a_batch_of_two_executions_is_refused(deps: Dependencies) -> None:
    other = event_pb2.WorkflowExecutionEvent(execution_id=UNKNOWN, phase=W.RUNNING, occurred_at=at(0))

    with pytest.raises(errors.InvalidRequest):
        await send_batch(deps, [workflow_event(W.RUNNING), other])


async def test_a_batch_of_an_unknown_execution_is_not_found(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound):
        await send_batch(
            deps, [event_pb2.WorkflowExecutionEvent(execution_id=UNKNOWN, phase=W.RUNNING, occurred_at=at(0))]
        )


async def test_many_events_ask_little_of_the_database(deps: Dependencies) -> None:
    stream: list[Sent] = []
    for i in range(500):
        stream += [node_event(phase, second, name=f"n{i}") for second, phase in enumerate((N.QUEUED, N.RUNNING))]
        stream += [
            task_event(phase, second, name=f"n{i}", reason=f"phase {second}")
            for second, phase in enumerate((T.QUEUED, T.RUNNING, T.SUCCEEDED))
        ]
        stream.append(node_event(N.SUCCEEDED, 3, name=f"n{i}"))

    with statements(deps.sessions) as sent:
        applied = await send_batch(deps, stream)

    assert applied == len(stream) == 3000
    assert len(sent) < 10


Read = Callable[[Dependencies], Coroutine[Any, Any, Any]]
MISSING_NODE = (
    'missing entity of type node execution with identifier node_id:"n0" execution_id:{project:"flytesnacks" '
    'domain:"development" name:"e1"}'
)
MISSING_TASK = (
    'missing entity of type task execution with identifier task_id:{project:"flytesnacks" domain:"development" '
    'name:"t" version:"v"} node_execution_id:{node_id:"n0" execution_id:{project:"flytesnacks" '
    'domain:"development" name:"e1"}}'
)


@pytest.mark.parametrize(("read", "text"), [(get_node, MISSING_NODE), (get_task, MISSING_TASK)])
async def test_unknown_nodes_and_tasks_are_named_as_flyte_names_them(deps: Dependencies, read: Read, text: str) -> None:
    with pytest.raises(errors.NotFound) as refused:
        await read(deps)

    assert refused.value.message == text


async def pause(deps: Dependencies, kind: str) -> None:
    async with deps.sessions.begin() as session:
        target = {"project": EXECUTION.project, "domain": EXECUTION.domain, "name": EXECUTION.name, "node_id": ""}
        words = {"reason": "", "paused_by": "ann", "undelivered": False, "stop_running": False, "is_active": True}
        session.add(PauseRow(kind=kind, revision=1, paused_at=datetime.now(UTC), **target, **words))


@pytest.mark.parametrize("number", [1, 2], ids=["alone", "in a group"])
@pytest.mark.parametrize("kind", ["abort", "EXECUTION", "SCHEDULE", ""])
async def test_an_end_that_is_not_decided_is_refused_while_an_abort_or_a_pause_is_on_its_way(
    deps: Dependencies, kind: str, number: int
) -> None:
    await send_batch(deps, [workflow_event(W.RUNNING)])
    if kind == "abort":
        async with deps.sessions.begin() as session:
            row = await session.get_one(ExecutionRow, (EXECUTION.project, EXECUTION.domain, EXECUTION.name))
            row.phase, row.closure = "ABORTING", execution_pb2.ExecutionClosure(phase=W.ABORTING).SerializeToString()
    elif kind:
        await pause(deps, kind)
    end = events_pb2.RecordEventsRequest(events=[events_pb2.Event(workflow=workflow_event(W.SUCCEEDED, 1))])
    tentative = events_pb2.RecordEventsRequest(events=[*end.events, *_later(100 * (number % 2))], tentative=True)

    if kind in ("", "SCHEDULE"):
        assert (await batches.record_events(deps, tentative)).applied > 0
    else:
        with pytest.raises(errors.FailedPrecondition, match="execution e1 is being aborted or paused"):
            await batches.record_events(deps, tentative)
        assert (await get_execution(deps)).closure.phase != W.SUCCEEDED
        assert (await batches.record_events(deps, end)).applied == 1
    assert (await get_execution(deps)).closure.phase == W.SUCCEEDED


def _later(number: int) -> list[events_pb2.Event]:
    """Return events that make a batch large, so that it has a transaction of its own."""
    return [events_pb2.Event(node=node_event(N.SUCCEEDED, 2, f"n{i}")) for i in range(number)]


async def test_only_the_end_of_an_execution_has_to_be_decided(deps: Dependencies) -> None:
    await pause(deps, "EXECUTION")
    event = events_pb2.Event(workflow=workflow_event(W.RUNNING))

    assert (await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[event], tentative=True))).applied
