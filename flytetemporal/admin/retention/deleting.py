"""Delete one execution, and list what was removed."""

from flyteidl.core import identifier_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.retention import removing, trees
from flytetemporal.admin.retention.models import RemovalRow
from flytetemporal.admin.retention.trees import Tree
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.idl import identifiers, times

LISTED, MOST_LISTED = 100, 1000
_COUNTS = ("executions", "versions", "nodes", "tasks", "cached_outputs", "histories", "files", "kept_files")
_REFUSALS = {
    "running": "{because} runs: end it first with `flytetemporal terminate {because}`",
    "child": "it was launched by a node of another execution: delete that one, which deletes both",
    "recently_ended": "{because} has ended just now and may still be reported on: try again in a minute",
    "owes_notifications": "a notification of {because} waits for its delivery: see `flytetemporal describe {because}`",
    "counted_by_backfill": "backfill {because} has not counted it yet: try again in a minute, or cancel the backfill",
    "launches_soon": "a trigger is about to launch {because} from it: see `flytetemporal get triggers`",
    "recovered_or_forked": "{because} was recovered or forked from it and uses its outputs: delete {because} first",
    "values_in_use": "{because} has inputs that are stored as its values: delete {because} first",
}


async def delete_execution(
    deps: Dependencies, request: retention_pb2.DeleteExecutionRequest
) -> retention_pb2.DeleteExecutionResponse:
    """Delete an execution with those that its launch plan nodes have launched. The rest follows in rounds of the loop.

    Raises:
        NotFound: the execution does not exist.
        FailedPrecondition: it runs, or another execution needs it.
    """
    execution_id = request.execution_id
    execution_lookup.check_execution_id(execution_id, given=request.HasField("execution_id"))
    validation.check_length(request.deleted_by, "deleted_by", validation.MAX_NAME_LENGTH)
    async with deps.sessions.begin() as session:
        row = await execution_lookup.locked_execution(session, execution_id)
        tree = await trees.read(session, row.id)
        if tree.kept:
            raise errors.FailedPrecondition(_refusal(execution_id, tree, await trees.others(session, tree)))
        nodes, tasks = await removing.counts(session, tree.keys)
        if not request.dry_run:
            await removing.begin(session, tree, request.deleted_by, f"deleted with {execution_id.name}")
    return retention_pb2.DeleteExecutionResponse(executions=len(tree.members), nodes=nodes, tasks=tasks)


async def list_removals(
    deps: Dependencies, request: retention_pb2.ListRemovalsRequest
) -> retention_pb2.ListRemovalsResponse:
    """List what was removed from a project, newest first."""
    validation.check_names(request, "project")
    validation.check_length(request.domain, "domain", validation.MAX_NAME_LENGTH)
    if request.limit > MOST_LISTED:
        raise errors.InvalidRequest(f"limit is {request.limit}; list at most {MOST_LISTED} removals at once")
    row, limit = RemovalRow, request.limit or LISTED
    query = select(row).where(row.project == request.project)
    if request.domain:
        query = query.where(row.domain.in_((request.domain, "")))  # A project has no domain.
    if request.token:
        query = query.where(row.id < _before(request.token))
    async with deps.sessions() as session:
        rows = (await session.scalars(query.order_by(row.id.desc()).limit(limit))).all()
    token = str(rows[-1].id) if len(rows) == limit else ""
    return retention_pb2.ListRemovalsResponse(removals=[_message(found) for found in rows], token=token)


def _refusal(execution_id: identifier_pb2.WorkflowExecutionIdentifier, tree: Tree, others: int) -> str:
    why = _REFUSALS[tree.kept].format(because=tree.because)
    more = f" ({'more than ' if others >= trees.MOST_COUNTED else ''}{others} more keep it, too)" if others else ""
    return f"execution {':'.join(identifiers.execution_key(execution_id))} cannot be deleted: {why}{more}"


def _message(row: RemovalRow) -> retention_pb2.Removal:
    counts = {name: count for name in _COUNTS if (count := getattr(row, name))}
    removal = retention_pb2.Removal(
        kind=row.kind,
        project=row.project,
        domain=row.domain,
        name=row.name,
        version=row.version,
        removed_by=row.removed_by,
        reason=row.reason,
        started_at=times.timestamp(row.started_at),
        counts=counts,
    )
    if row.finished_at is not None:
        removal.finished_at.CopyFrom(times.timestamp(row.finished_at))
    return removal


def _before(token: str) -> int:
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise errors.InvalidRequest("invalid value for token: pass the token of the page before")
    return int(token)
