"""The records of forks: what was forked into what, and how."""

from datetime import UTC, datetime

from flyteidl.core import identifier_pb2
from sqlalchemy import select

from flytetemporal.admin.base import execution_lookup, operator_actions, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionForkRow, OperatorActionRow
from flytetemporal.contracts.v1 import fork_pb2
from flytetemporal.idl import identifiers, times

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
# Of an execution that was forked more often, the newest forks are shown.
SHOWN = 100


def rows(record: fork_pb2.Fork) -> tuple[ExecutionForkRow, OperatorActionRow]:
    """Return the rows of a fork that is made now: of its lineage, and among the actions of operators on its source."""
    action = operator_actions.row(
        record.forked_by,
        "fork",
        identifiers.execution_key(record.source),
        fork=record.execution_id.name,
        request_id=record.request_id,
        from_nodes=list(record.from_nodes),
    )
    return _lineage_row(record), action


def _lineage_row(record: fork_pb2.Fork) -> ExecutionForkRow:
    now = datetime.now(UTC)
    record.created_at.CopyFrom(times.timestamp(now))
    project, domain, name = identifiers.execution_key(record.execution_id)
    source_project, source_domain, source_name = identifiers.execution_key(record.source)
    return ExecutionForkRow(
        execution_project=project,
        execution_domain=domain,
        execution_name=name,
        source_project=source_project,
        source_domain=source_domain,
        source_name=source_name,
        record=record.SerializeToString(),
    )


async def find(deps: Dependencies, execution_id: ExecutionId) -> fork_pb2.Fork | None:
    """Return the record of an execution that is a fork; None if it is none."""
    async with deps.sessions() as session:
        found = await session.get(ExecutionForkRow, identifiers.execution_key(execution_id))
    return None if found is None else stored_messages.parse(fork_pb2.Fork, found.record)


async def get_lineage(deps: Dependencies, request: fork_pb2.LineageRequest) -> fork_pb2.Lineage:
    """Return what an execution is a fork of, and its own forks.

    Raises:
        NotFound: the execution does not exist.
    """
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    async with deps.sessions() as session:
        await execution_lookup.execution(session, request.execution_id)
        project, domain, name = identifiers.execution_key(request.execution_id)
        table = ExecutionForkRow
        query = (
            select(table.record)
            .where(table.source_project == project, table.source_domain == domain, table.source_name == name)
            .order_by(table.id.desc())
            .limit(SHOWN)
        )
        forks = (await session.scalars(query)).all()
    lineage = fork_pb2.Lineage(forks=[stored_messages.parse(fork_pb2.Fork, found) for found in forks])
    own = await find(deps, request.execution_id)
    if own is not None:
        lineage.forked_from.CopyFrom(own)
    return lineage
