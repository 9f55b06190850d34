"""OperationsService: what Flyte's API has no call for."""

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin import execution_close, execution_lookup, executions, explanations
from flytetemporal.admin.dependencies import Dependencies
from flytetemporal.admin.models import ExecutionRow, NodeExecutionRow
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import error_text, identifiers, phases

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
NODES = 200
_OPEN = tuple(name for name, phase in phases.N.Phase.items() if phase not in phases.NODE_TERMINAL)


class OperationsService:
    """Explains executions that wait, and ends those that do not end."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    async def Explain(self, request: operations_pb2.ExplainRequest) -> operations_pb2.ExplainResponse:
        """Say what an execution, or one node of it, waits for."""
        return await explain(self._deps, request)

    async def ForceTerminate(
        self, request: operations_pb2.ForceTerminateRequest
    ) -> operations_pb2.ForceTerminateResponse:
        """End an execution at once, without waiting for its clean-up."""
        return await force_terminate(self._deps, request)


async def explain(deps: Dependencies, request: operations_pb2.ExplainRequest) -> operations_pb2.ExplainResponse:
    """Ask the running workflow what its nodes wait for, and Temporal about their activities.

    Raises:
        NotFound: there is no such execution, or no such node in it.
    """
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    async with deps.sessions() as session:
        row = await execution_lookup.execution(session, request.execution_id)
        node = await _node_phase(deps, request)
    closure = admin_execution_pb2.ExecutionClosure.FromString(row.closure)
    response = operations_pb2.ExplainResponse(phase=closure.phase)
    response.notes.extend(_notes(row, closure))
    if closure.phase not in phases.WORKFLOW_TERMINAL:
        await _add_waits(deps, request, row.cluster, response)
    if node in _ENDED:
        response.notes.append(f"node {request.node_id} has ended: {node}")
    elif request.node_id and not node and not response.waits:
        raise execution_lookup.missing_node(
            identifier_pb2.NodeExecutionIdentifier(node_id=request.node_id, execution_id=request.execution_id)
        )
    for wait in response.waits:
        wait.text = explanations.sentence(wait)
    return response


async def force_terminate(
    deps: Dependencies, request: operations_pb2.ForceTerminateRequest
) -> operations_pb2.ForceTerminateResponse:
    """Record the abort, end the workflow, close all that is open. Needs no worker.

    Raises:
        NotFound: there is no such execution.
        Unavailable: Temporal does not answer; the abort is recorded, and the sweep delivers it.
    """
    terminate = admin_execution_pb2.ExecutionTerminateRequest(cause=request.cause)
    if request.HasField("execution_id"):
        terminate.id.CopyFrom(request.execution_id)
    try:
        await executions.record_abort(deps, terminate)
    except errors.AlreadyTerminal:
        return operations_pb2.ForceTerminateResponse()
    await execution_close.force(deps, request.execution_id, request.cause)
    return operations_pb2.ForceTerminateResponse()


_ENDED = tuple(phases.N.Phase.Name(phase) for phase in sorted(phases.NODE_TERMINAL))


def _notes(row: ExecutionRow, closure: admin_execution_pb2.ExecutionClosure) -> list[str]:
    phase = phases.W.Phase.Name(closure.phase)
    if closure.phase in phases.WORKFLOW_TERMINAL:
        error = f": {closure.error.code}: {error_text.headline(closure.error.message)}" if closure.error.code else ""
        return [f"the execution has ended: {phase}{error}"]
    if closure.phase == phases.W.ABORTING:
        return [f"the execution is being aborted ({row.abort_cause or 'no cause was given'}) and stops what it started"]
    if closure.phase == phases.W.UNDEFINED:
        return ["the execution is recorded and has not begun"]
    return []


async def _node_phase(deps: Dependencies, request: operations_pb2.ExplainRequest) -> str:
    """Return the recorded phase of the node that is asked for; empty when none is, or when it has not begun."""
    if not request.node_id:
        return ""
    identifier = identifier_pb2.NodeExecutionIdentifier(node_id=request.node_id, execution_id=request.execution_id)
    async with deps.sessions() as session:
        row = await execution_lookup.find_node(session, identifier)
    return row.phase if row is not None else ""


async def _add_waits(
    deps: Dependencies,
    request: operations_pb2.ExplainRequest,
    cluster: str,
    response: operations_pb2.ExplainResponse,
) -> None:
    queue = workflows.engine_queue(cluster)
    try:
        if await deps.engine.pollers(queue, workflows_too=True) == 0:
            response.notes.append(f"no worker polls task queue {queue}: nothing goes on until one does")
            await _add_recorded(deps, request, response)
            return
        found = await deps.engine.waits(request.execution_id, request.node_id)
        response.waits.extend(found.waits)
        response.more = found.more
        await _add_activities(deps, request.execution_id, response)
    except errors.NotFound:
        response.notes.append("Temporal does not know its workflow: the sweeper starts or closes it within a minute")
    except errors.Unavailable as e:
        response.notes.append(f"the engine cannot be asked now: {e.message}")
        await _add_recorded(deps, request, response)


async def _add_activities(
    deps: Dependencies, execution_id: ExecutionId, response: operations_pb2.ExplainResponse
) -> None:
    attempts = [wait.attempt for wait in response.waits if wait.HasField("attempt")]
    if not attempts:
        return
    activities = await deps.engine.pending_activities(execution_id)
    pollers: dict[str, int] = {}
    for attempt in attempts:
        if attempt.task_queue not in pollers:
            pollers[attempt.task_queue] = await deps.engine.pollers(attempt.task_queue)
        activity = activities.get(attempt.activity_id)
        if activity is not None:
            explanations.add_activity(attempt, activity, pollers[attempt.task_queue])


async def _add_recorded(
    deps: Dependencies, request: operations_pb2.ExplainRequest, response: operations_pb2.ExplainResponse
) -> None:
    """Add the open nodes that are recorded, when the engine cannot say more."""
    row = NodeExecutionRow
    project, domain, name = identifiers.execution_key(request.execution_id)
    query = select(row.node_id, row.phase).where(
        row.execution_project == project,
        row.execution_domain == domain,
        row.execution_name == name,
        row.phase.in_(_OPEN),
    )
    if request.node_id:
        query = query.where(row.node_id == request.node_id)
    async with deps.sessions() as session:
        for node_id, phase in await session.execute(query.order_by(row.id).limit(NODES)):
            response.notes.append(f"node {node_id} was {phase} when it was last heard of")
