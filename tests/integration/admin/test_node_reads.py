"""Node and task executions are listed as Flyte lists them, and their times become spans."""

from typing import Any

import pytest
from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, identifier_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2
from flyteidl.event import event_pb2
from google.protobuf import timestamp_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, WorkflowRow
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import node_executions, task_executions, workflow_executions
from flytetemporal.contracts.v1 import events_pb2

W = core_execution_pb2.WorkflowExecution
N = core_execution_pb2.NodeExecution
T = core_execution_pb2.TaskExecution
EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project="flytesnacks", domain="development", name="e1")
TASK = identifier_pb2.Identifier(
    resource_type=identifier_pb2.TASK, project="flytesnacks", domain="development", name="t", version="v"
)


def at(second: int) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=1_700_000_000 + second)


def node_id(name: str) -> identifier_pb2.NodeExecutionIdentifier:
    return identifier_pb2.NodeExecutionIdentifier(node_id=name, execution_id=EXECUTION)


def node(name: str, phase: N.Phase, second: int, parent: str = "", spec: str = "", **fields: Any) -> events_pb2.Event:
    event = event_pb2.NodeExecutionEvent(
        id=node_id(name), phase=phase, occurred_at=at(second), spec_node_id=spec or name, event_version=1, **fields
    )
    if parent:
        event.parent_node_metadata.node_id = parent
    return events_pb2.Event(node=event)


def task(name: str, phase: T.Phase, second: int, attempt: int = 0) -> events_pb2.Event:
    event = event_pb2.TaskExecutionEvent(
        task_id=TASK, parent_node_execution_id=node_id(name), retry_attempt=attempt, phase=phase, occurred_at=at(second)
    )
    return events_pb2.Event(task=event)


@pytest.fixture(autouse=True)
async def _ran(deps: Dependencies) -> None:
    """A workflow of one task node, ``n0``, that was tried twice; and a child of that node."""
    compiled = compiler_pb2.CompiledWorkflowClosure(
        primary=compiler_pb2.CompiledWorkflow(
            template=core_workflow_pb2.WorkflowTemplate(
                nodes=[core_workflow_pb2.Node(id="n0", task_node=core_workflow_pb2.TaskNode(reference_id=TASK))]
            ),
            connections=compiler_pb2.ConnectionSet(
                upstream={
                    "n0": compiler_pb2.ConnectionSet.IdList(ids=["start-node"]),
                    "end-node": compiler_pb2.ConnectionSet.IdList(ids=["n0"]),
                }
            ),
        )
    )
    uri = f"{deps.blobs.root}/closure"
    await deps.blobs.write_message(uri, workflow_pb2.WorkflowClosure(compiled_workflow=compiled))
    async with deps.sessions.begin() as session:
        workflow = WorkflowRow(
            project="flytesnacks",
            domain="development",
            name="w",
            version="v",
            digest="",
            typed_interface=b"",
            remote_closure_identifier=uri,
            graph=b"",
            task_templates=b"",
        )
        session.add(workflow)
        await session.flush()
        session.add(
            ExecutionRow(
                execution_project=EXECUTION.project,
                execution_domain=EXECUTION.domain,
                execution_name=EXECUTION.name,
                workflow_id=workflow.id,
                closure=execution_pb2.ExecutionClosure(created_at=at(0), updated_at=at(0)).SerializeToString(),
                spec=b"",
            )
        )
    await batches.record_events(
        deps,
        events_pb2.RecordEventsRequest(
            events=[
                node("start-node", N.SUCCEEDED, 1),
                node("n0", N.QUEUED, 2),
                node("n0", N.RUNNING, 3),
                task("n0", T.RUNNING, 3),
                task("n0", T.FAILED, 4),
                task("n0", T.RUNNING, 5, attempt=1),
                task("n0", T.SUCCEEDED, 6, attempt=1),
                node("n0-1-dn0", N.SUCCEEDED, 6, parent="n0", spec="dn0"),
                node("n0", N.SUCCEEDED, 7),
                node("end-node", N.SUCCEEDED, 8),
                events_pb2.Event(
                    workflow=event_pb2.WorkflowExecutionEvent(
                        execution_id=EXECUTION, phase=W.SUCCEEDED, occurred_at=at(9)
                    )
                ),
            ]
        ),
    )


async def nodes(deps: Dependencies, **request: Any) -> tuple[list[str], str]:
    request.setdefault("limit", 10)
    found = await node_executions.list_node_executions(
        deps, node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=EXECUTION, **request)
    )
    return [execution.id.node_id for execution in found.node_executions], found.token


async def test_the_top_level_is_listed_newest_first(deps: Dependencies) -> None:
    assert await nodes(deps) == (["end-node", "n0", "start-node"], "")


async def test_nodes_come_in_pages(deps: Dependencies) -> None:
    assert await nodes(deps, limit=2) == (["end-node", "n0"], "2")
    assert await nodes(deps, limit=2, token="2") == (["start-node"], "")


async def test_children_are_listed_below_their_parent(deps: Dependencies) -> None:
    assert await nodes(deps, unique_parent_id="n0") == (["n0-1-dn0"], "")


async def test_children_of_an_unknown_node_are_not_found(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound):
        await nodes(deps, unique_parent_id="n7")


async def test_nodes_are_filtered(deps: Dependencies) -> None:
    assert await nodes(deps, filters="eq(node_id,n0)+eq(phase,SUCCEEDED)") == (["n0"], "")


async def test_a_list_needs_a_limit(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for limit$"):
        await nodes(deps, limit=0)


async def test_an_unknown_execution_has_no_nodes(deps: Dependencies) -> None:
    unknown = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="nosuch")
    request = node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=unknown, limit=1)

    assert not (await node_executions.list_node_executions(deps, request)).node_executions


async def test_attempts_are_listed(deps: Dependencies) -> None:
    request = task_execution_pb2.TaskExecutionListRequest(node_execution_id=node_id("n0"), limit=10)

    found = (await task_executions.list_task_executions(deps, request)).task_executions

    assert [(one.id.retry_attempt, one.closure.phase) for one in found] == [(1, T.SUCCEEDED), (0, T.FAILED)]
    assert found[0].id.task_id == TASK


async def test_nodes_of_a_task_are_listed(deps: Dependencies) -> None:
    parent = identifier_pb2.TaskExecutionIdentifier(task_id=TASK, node_execution_id=node_id("n0"), retry_attempt=1)
    child = node("x", N.RUNNING, 1, parent_task_metadata=event_pb2.ParentTaskExecutionMetadata(id=parent))
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=[child]))
    request = node_execution_pb2.NodeExecutionForTaskListRequest(task_execution_id=parent, limit=10)

    found = await node_executions.list_for_task(deps, request)

    assert [one.id.node_id for one in found.node_executions] == ["x"]
    assert (await nodes(deps))[0] == ["end-node", "n0", "start-node"]


async def test_what_a_dynamic_task_made_is_listed_by_attempt(deps: Dependencies) -> None:
    made = [node(f"n0-{attempt}-x", N.RUNNING, 1, parent="n0", retry_group=str(attempt)) for attempt in (0, 1)]
    await batches.record_events(deps, events_pb2.RecordEventsRequest(events=made))

    for attempt in (0, 1):
        parent = identifier_pb2.TaskExecutionIdentifier(
            task_id=TASK, node_execution_id=node_id("n0"), retry_attempt=attempt
        )
        request = node_execution_pb2.NodeExecutionForTaskListRequest(task_execution_id=parent, limit=10)
        found = await node_executions.list_for_task(deps, request)
        assert [one.id.node_id for one in found.node_executions] == [f"n0-{attempt}-x"]


async def test_the_time_of_an_execution_is_broken_down(deps: Dependencies) -> None:
    request = execution_pb2.WorkflowExecutionGetMetricsRequest(id=EXECUTION, depth=10)

    span = (await workflow_executions.get_metrics(deps, request)).span

    assert (span.start_time, span.end_time) == (at(0), at(9))
    assert [child.operation_id or child.node_id.node_id for child in span.spans] == [
        "WORKFLOW_SETUP",
        "n0",
        "WORKFLOW_TEARDOWN",
    ]
    assert [child.operation_id or "task" for child in span.spans[1].spans] == [
        "NODE_TRANSITION",
        "NODE_SETUP",
        "task",
        "NODE_RESET",
        "task",
        "NODE_TEARDOWN",
    ]
