"""Explain an execution (``flytetemporal why``), and end one by force. Flyte's API has neither."""

from datetime import UTC, datetime

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, execution_rows, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, NodeExecutionRow
from flytetemporal.admin.control import explanations, queue_notes
from flytetemporal.admin.executions import aborting, closing, pausing
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import error_text, phases

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
NODES = 200
_OPEN = tuple(name for name, phase in phases.N.Phase.items() if phase not in phases.NODE_TERMINAL)
_ENDED = tuple(name for name, phase in phases.N.Phase.items() if phase in phases.NODE_TERMINAL)


async def explain(deps: Dependencies, request: operations_pb2.ExplainRequest) -> operations_pb2.ExplainResponse:
    """Query the running workflow for what its nodes wait for, and Temporal for the state of their activities.

    If the workflow cannot answer, the explanation comes from the rows.

    Raises:
        NotFound: the execution does not exist, or the node is not part of it.
    """
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, request.execution_id)
        pauses = await pausing.effective(session, request.execution_id)
    closure = stored_messages.parse(admin_execution_pb2.ExecutionClosure, row.closure)
    response = operations_pb2.ExplainResponse(phase=closure.phase, notes=_notes(row, closure))
    ended = closure.phase in phases.WORKFLOW_TERMINAL
    if not ended:
        response.notes.extend(explanations.paused(pause) for pause in pauses.pauses)
    waits = await queue_notes.of(deps, request.execution_id)
    response.notes.extend(waits)
    asked = ended or (not waits and await _add_waits(deps, request, row.cluster, response))
    if request.node_id and not response.waits:
        await _add_node(deps, request, response, asked=asked)
    elif not asked:
        await _add_recorded(deps, request.execution_id, response)
    for wait in response.waits:
        wait.text = explanations.sentence(wait)
    return response


async def force_terminate(
    deps: Dependencies, request: operations_pb2.ForceTerminateRequest
) -> operations_pb2.ForceTerminateResponse:
    """Record the abort, terminate the workflow, close the execution with its open nodes and tasks. Needs no worker.

    Does nothing if the execution has ended.

    Raises:
        NotFound: the execution does not exist.
        Unavailable: Temporal does not answer; the abort is recorded, and the sweeper delivers it.
    """
    terminate = admin_execution_pb2.ExecutionTerminateRequest(cause=request.cause)
    if request.HasField("execution_id"):
        terminate.id.CopyFrom(request.execution_id)
    # Row first: if admin dies before the workflow is terminated, the sweeper delivers the recorded abort.
    try:
        await aborting.record_abort(deps, terminate)
    except errors.AlreadyTerminal:
        return operations_pb2.ForceTerminateResponse()
    await closing.force(deps, request.execution_id, request.cause)
    await aborting.abort_children(deps, request.execution_id)
    return operations_pb2.ForceTerminateResponse()


def _notes(row: ExecutionRow, closure: admin_execution_pb2.ExecutionClosure) -> list[str]:
    phase = phases.W.Phase.Name(closure.phase)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        return [f"the execution has ended: {phase}{_reason(closure)}"]
    if closure.phase == phases.W.ABORTING:
        cause = f"cause: {row.abort_cause}" if row.abort_cause else "no cause was given"
        return [f"the execution is being aborted ({cause}) and stops its open nodes"]
    if closure.phase == phases.W.UNDEFINED:
        return ["the execution is recorded, its workflow has not reported a start yet"]
    return []


def _reason(closure: admin_execution_pb2.ExecutionClosure) -> str:
    match closure.WhichOneof("output_result"):
        case "error":
            said = (closure.error.code, error_text.cause("", closure.error.message))
        case "abort_metadata":
            said = ("", error_text.headline(closure.abort_metadata.cause))
        case _:
            said = ("", "")
    return "".join(f": {part}" for part in said if part)


async def _add_waits(
    deps: Dependencies,
    request: operations_pb2.ExplainRequest,
    cluster: str,
    response: operations_pb2.ExplainResponse,
) -> bool:
    """Add the waits that the workflow reports; return whether it could be queried."""
    queue = workflows.engine_queue(cluster)
    pollers = None
    try:
        pollers = await deps.engine.pollers(queue, workflows_too=True)
        if pollers == 0:  # A query needs a worker and would only run into its timeout.
            response.notes.append(f"no worker polls task queue {queue}: start one, the execution waits for it")
            return False
        found = await deps.engine.waits(request.execution_id, request.node_id)
    except errors.NotFound:
        response.notes.append(
            "Temporal knows no workflow of this execution: wait a minute for the sweeper to start or close it"
        )
        return False
    except errors.Unavailable as e:
        polled = "" if pollers is None else f" (recent pollers of task queue {queue}: {pollers})"
        response.notes.append(f"the workflow cannot be queried now, try again{polled}: {e.message}")
        return False
    response.waits.extend(found.waits)
    response.more, response.revision = found.more, found.revision
    await _add_activities(deps, request.execution_id, response)
    return True


async def _add_activities(
    deps: Dependencies, execution_id: ExecutionId, response: operations_pb2.ExplainResponse
) -> None:
    """Add Temporal's state of the attempts; without it the waits stay as the workflow reported them."""
    waits = [wait for wait in response.waits if wait.HasField("attempt")]
    if not waits:
        return
    pollers: dict[str, int] = {}
    now = datetime.now(UTC)
    try:
        activities = await deps.engine.pending_activities(execution_id)
        for wait in waits:
            activity, queue = activities.get(wait.attempt.activity_id), wait.attempt.task_queue
            if activity is None:
                continue
            if queue not in pollers:
                pollers[queue] = await deps.engine.pollers(queue)
            explanations.add_activity(wait, activity, pollers[queue], now)
    except errors.Unavailable as e:
        response.notes.append(f"the state of attempts and workers is unknown now, try again: {e.message}")


async def _add_node(
    deps: Dependencies,
    request: operations_pb2.ExplainRequest,
    response: operations_pb2.ExplainResponse,
    *,
    asked: bool,
) -> None:
    """Add what is recorded of a node that the workflow did not report as waiting.

    ``asked``: the workflow answered or has ended, so a node without a row does not exist.

    Raises:
        NotFound: the node does not exist.
    """
    identifier = identifier_pb2.NodeExecutionIdentifier(node_id=request.node_id, execution_id=request.execution_id)
    async with deps.sessions() as session:
        row = await execution_lookup.find_node(session, identifier)
    if row is None and asked:
        raise execution_lookup.missing_node(identifier)
    if row is None:
        response.notes.append(f"no event of node {request.node_id} was received: it has not started, or does not exist")
    elif row.phase in _ENDED:
        response.notes.append(f"node {request.node_id} has ended: {row.phase}")
    else:
        response.notes.append(_last_event(request.node_id, row.phase))


async def _add_recorded(
    deps: Dependencies, execution_id: ExecutionId, response: operations_pb2.ExplainResponse
) -> None:
    """Add the open nodes from the rows, if the workflow cannot be queried."""
    row = NodeExecutionRow
    query = select(row.node_id, row.phase).where(execution_rows.of_execution(row, execution_id), row.phase.in_(_OPEN))
    async with deps.sessions() as session:
        found = (await session.execute(query.order_by(row.id).limit(NODES))).all()
    response.notes.extend(_last_event(node_id, phase) for node_id, phase in found)


def _last_event(node_id: str, phase: str) -> str:
    return f"the last event of node {node_id} reported it as {phase}"
