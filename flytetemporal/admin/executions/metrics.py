"""Load what the span tree of an execution is made of; ``metric_spans`` builds it."""

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2, workflow_pb2
from flyteidl.core import compiler_pb2, identifier_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow, WorkflowRow
from flytetemporal.admin.executions import metric_spans
from flytetemporal.admin.executions.metric_spans import Recorded
from flytetemporal.idl import identifiers


async def get_metrics(
    deps: Dependencies, request: execution_pb2.WorkflowExecutionGetMetricsRequest
) -> execution_pb2.WorkflowExecutionGetMetricsResponse:
    """Return where the time of an execution went: spans down to ``depth`` levels, all of them when it is negative."""
    execution_lookup.check_execution_id(request.id, given=request.HasField("id"))
    recorded = await _load(deps, request.id, request.depth)
    return execution_pb2.WorkflowExecutionGetMetricsResponse(span=metric_spans.of_execution(recorded, request.depth))


async def _load(deps: Dependencies, identifier: identifier_pb2.WorkflowExecutionIdentifier, depth: int) -> Recorded:
    recorded, uris = Recorded(identifier), dict[str, str]()
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, identifier)
        recorded.closure.MergeFromString(row.closure)
        if depth == 0:
            return recorded
        query = select(WorkflowRow.remote_closure_identifier).where(WorkflowRow.id == row.workflow_id)
        definition_uri = (await session.execute(query)).scalar_one_or_none()
        await _load_nodes(session, recorded, uris)
        await _load_tasks(session, recorded)
    if definition_uri:
        definition = await deps.blobs.read_message(definition_uri, workflow_pb2.WorkflowClosure)
        recorded.definition.CopyFrom(definition.compiled_workflow)
    for node_id, uri in uris.items():
        recorded.dynamic[node_id] = await deps.blobs.read_message(uri, compiler_pb2.CompiledWorkflowClosure)
    if depth != 1:
        await _load_children(deps, recorded, depth - 2)
    return recorded


async def _load_children(deps: Dependencies, recorded: Recorded, depth: int) -> None:
    for level in list(recorded.levels.values()):
        for node in level:
            child = node.closure.workflow_node_metadata.executionId
            if child.name:
                recorded.children[node.id.node_id] = await _load(deps, child, depth)


async def _load_nodes(session: AsyncSession, recorded: Recorded, dynamic_uris: dict[str, str]) -> None:
    row = NodeExecutionRow
    project, domain, name = identifiers.execution_key(recorded.id)
    query = select(
        row.node_id,
        row.parent_node_id,
        row.closure,
        row.node_execution_metadata,
        row.dynamic_workflow_remote_closure_reference,
    ).where(row.execution_project == project, row.execution_domain == domain, row.execution_name == name)
    for node_id, parent, closure, metadata, dynamic_uri in await session.execute(query):
        node = node_execution_pb2.NodeExecution(
            id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=recorded.id)
        )
        node.closure.MergeFromString(closure)
        node.metadata.MergeFromString(metadata)
        recorded.levels.setdefault(parent, []).append(node)
        if dynamic_uri:
            dynamic_uris[node_id] = dynamic_uri


async def _load_tasks(session: AsyncSession, recorded: Recorded) -> None:
    row = TaskExecutionRow
    key = identifiers.execution_key(recorded.id)
    query = (
        select(row.node_id, row.project, row.domain, row.name, row.version, row.retry_attempt, row.closure)
        .where(row.execution_project == key[0], row.execution_domain == key[1], row.execution_name == key[2])
        .order_by(row.retry_attempt)
    )
    for node_id, project, domain, name, version, attempt, closure in await session.execute(query):
        task = task_execution_pb2.TaskExecution(
            id=identifier_pb2.TaskExecutionIdentifier(
                task_id=identifiers.identifier(identifier_pb2.TASK, (project, domain, name, version)),
                node_execution_id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=recorded.id),
                retry_attempt=attempt,
            )
        )
        task.closure.MergeFromString(closure)
        recorded.tasks.setdefault(node_id, []).append(task)
