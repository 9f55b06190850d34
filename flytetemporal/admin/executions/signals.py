"""Signals: the values that gate nodes wait for, and their delivery to the workflow.

A signal exists once its gate is reached, or once a client creates it.
"""

from datetime import timedelta

import structlog
from flyteidl.admin import signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2, types_pb2
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.base import execution_rows, list_requests, list_schemas, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import SignalRow
from flytetemporal.admin.executions import launch_references
from flytetemporal.idl import identifiers, interfaces, locations, types

Key = tuple[str, str, str, str]
# The call that sets a signal delivers it, too; only after this time does the sweeper take over.
UNDELIVERED_AGE = timedelta(seconds=5)
PAGE = 500

_log = structlog.get_logger(__name__)


async def get_or_create(deps: Dependencies, request: signal_pb2.SignalGetOrCreateRequest) -> signal_pb2.Signal:
    """Return a signal; create it with the given type if there is none."""
    key = _key(request.id, given=request.HasField("id"))
    if not request.HasField("type"):
        raise validation.missing("type")
    statement = postgresql.insert(SignalRow).values(
        **dict(zip(("execution_project", "execution_domain", "execution_name", "signal_id"), key, strict=True)),
        type=request.type.SerializeToString(),
    )
    async with deps.sessions.begin() as session:
        # Several gates may create the same signal at once; the first one's type stays.
        await session.execute(statement.on_conflict_do_nothing())
        row = await session.get_one(SignalRow, key)
        return _message(row)


async def list_signals(deps: Dependencies, request: signal_pb2.SignalListRequest) -> signal_pb2.SignalList:
    """List the signals of an execution."""
    if not request.HasField("workflow_execution_id"):
        raise validation.missing("execution_id")
    validation.check_names(request.workflow_execution_id, "project", "domain", "name")
    page = list_requests.page(request, list_schemas.SIGNAL, "ListSignals")
    query = select(SignalRow).where(execution_rows.of_execution(SignalRow, request.workflow_execution_id))
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
    found = stored_messages.readable(rows, _message, lambda listed: signal_pb2.SignalList(signals=listed))
    return signal_pb2.SignalList(signals=found, token=page.next_token(rows))


async def set_value(deps: Dependencies, request: signal_pb2.SignalSetRequest) -> signal_pb2.SignalSetResponse:
    """Set the value of an existing signal; a later value overwrites it.

    Executions in whose files parts of the value are stored are kept as long as this one.
    """
    key = _key(request.id, given=request.HasField("id"))
    if not request.HasField("value"):
        raise validation.missing("value")
    interfaces.check_literals(literals_pb2.LiteralMap(literals={"value": request.value}), "signal")
    async with deps.sessions.begin() as session:
        row = await session.get(SignalRow, key, with_for_update=True)
        if row is None:
            project, domain, name, signal = key
            raise errors.InvalidRequest(
                f"failed to validate that signal [{{{{{project} {domain} {name}}} {signal}}}] exists, "
                "err: [signal does not exist]"
            )
        wanted = stored_messages.parse(types_pb2.LiteralType, row.type)
        found = types.infer(request.value)
        if not types.castable(found, wanted):
            raise errors.InvalidRequest(
                f"requested signal value [{types.text(found)}] is not castable to existing signal type "
                f"[{types.text(wanted)}]"
            )
        await _refer(deps, session, request)
        # Committed before delivery: the workflow reads the value from the row, and the sweeper repeats a lost
        # delivery.
        row.value, row.undelivered = request.value.SerializeToString(), True
    await deliver(deps, request.id.execution_id, request.id.signal_id)
    return signal_pb2.SignalSetResponse()


async def _refer(deps: Dependencies, session: AsyncSession, request: signal_pb2.SignalSetRequest) -> None:
    """Record which executions a value is stored with, in the transaction that sets it."""
    execution_id = request.id.execution_id
    value = literals_pb2.LiteralMap(literals={"value": request.value})
    own = identifiers.execution_key(execution_id)
    needed = launch_references.sources(value, locations.metadata_dir(deps.blobs.root, execution_id)) - {own}
    await launch_references.refer(session, own, sorted(needed))


async def deliver(deps: Dependencies, execution_id: identifier_pb2.WorkflowExecutionIdentifier, signal_id: str) -> bool:
    """Notify the workflow that a signal has a value, which it then reads; return whether no delivery is owed any more.

    The value is recorded. If Temporal does not answer, the sweeper delivers the signal later.
    """
    try:
        await deps.engine.signal_set(execution_id, signal_id)
    except (errors.NotFound, errors.InvalidRequest):
        pass  # The workflow has ended, or it has not started and its gate finds the value when it is reached.
    except errors.Unavailable as e:
        _log.warning("signal_not_delivered", execution=execution_id.name, signal=signal_id, error=e.message)
        return False
    is_it = execution_rows.of_execution(SignalRow, execution_id) & (SignalRow.signal_id == signal_id)
    statement = update(SignalRow).where(is_it).values(undelivered=False)
    async with deps.sessions.begin() as session:
        await session.execute(statement)
    return True


async def undelivered(deps: Dependencies) -> list[tuple[identifier_pb2.WorkflowExecutionIdentifier, str]]:
    """Return at most 500 signals that were set some time ago and are not delivered."""
    query = (
        select(SignalRow)
        .where(SignalRow.undelivered, SignalRow.updated_at < func.now() - UNDELIVERED_AGE)
        .order_by(SignalRow.updated_at)
        .limit(PAGE)
    )
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    return [(execution_rows.execution_id(row), row.signal_id) for row in rows]


def _key(identifier: identifier_pb2.SignalIdentifier, *, given: bool) -> Key:
    if not given:
        raise validation.missing("id")
    if not identifier.HasField("execution_id"):
        raise validation.missing("execution_id")
    validation.check_names(identifier, "signal_id")
    validation.check_names(identifier.execution_id, "project", "domain", "name")
    return (*identifiers.execution_key(identifier.execution_id), identifier.signal_id)


def _message(row: SignalRow) -> signal_pb2.Signal:
    signal = signal_pb2.Signal(
        id=identifier_pb2.SignalIdentifier(signal_id=row.signal_id, execution_id=execution_rows.execution_id(row)),
        type=stored_messages.parse(types_pb2.LiteralType, row.type),
    )
    if row.value is not None:
        signal.value.CopyFrom(stored_messages.parse(literals_pb2.Literal, row.value))
    return signal
