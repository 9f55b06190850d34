"""The audit log in Postgres: append, list, and remove what is old."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from google.protobuf import timestamp_pb2
from prometheus_client import Counter
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.access.models import AuditRow
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.auth.audit import Entry
from flytetemporal.contracts.v1 import access_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times

LISTED, MOST = 100, 1000
# Refusals that wait to be written. Their log lines are written at once.
MOST_WAITING = 10_000
REMOVED_AT_ONCE = 10_000
_LONGEST_MESSAGE = 1000
_REFUSALS = ("UNAUTHENTICATED", "PERMISSION_DENIED")
_Row = AuditRow

DROPPED = Counter("flytetemporal_audit_dropped_total", "Refusals that are in the log of the process only.")

_log: structlog.stdlib.BoundLogger = structlog.get_logger("flytetemporal.audit")


class LoggedAudit:
    """The audit log of a process without admin's tables: its log lines only."""

    async def record(self, entry: Entry) -> None:
        """Log an entry."""
        self.refused(entry)

    def refused(self, entry: Entry) -> None:
        """Log an entry."""
        _log.info("audit", **_shown(_values(entry)))


class StoredAudit:
    """The audit log, as the guard uses it."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._waiting: deque[dict[str, Any]] = deque()
        self._writing = asyncio.Lock()

    async def record(self, entry: Entry) -> None:
        """Write an entry. Raises ``Unavailable`` if the database does not answer: then the call fails, too."""
        values = _values(entry)
        _log.info("audit", **_shown(values))
        async with self._sessions.begin() as session:
            await session.execute(insert(_Row).values(values))

    def refused(self, entry: Entry) -> None:
        """Log an entry, and write it with the next batch: strangers must not be able to slow the database down."""
        values = _values(entry)
        _log.info("audit", **_shown(values))
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(values)
        else:
            DROPPED.inc()

    async def write_waiting(self) -> None:
        """Write the refusals that wait; they wait on if the database does not answer."""
        async with self._writing:
            while self._waiting:
                batch = [self._waiting[position] for position in range(min(len(self._waiting), MOST))]
                async with self._sessions.begin() as session:
                    await session.execute(insert(_Row), batch)
                for _ in batch:
                    self._waiting.popleft()


async def list_audit(deps: Dependencies, request: access_pb2.ListAuditRequest) -> access_pb2.ListAuditResponse:
    """List entries, newest first. Raises ``InvalidRequest`` for a limit or a token that makes no sense."""
    if request.limit > MOST:
        raise InvalidRequest(f"limit {request.limit} is above {MOST}")
    limit = request.limit or LISTED
    query = select(_Row).order_by(_Row.id.desc()).limit(limit)
    for name in ("project", "domain", "subject", "action"):
        if wanted := getattr(request, name):
            validation.check_length(wanted, name, validation.MAX_NAME_LENGTH)
            query = query.where(getattr(_Row, name) == wanted)
    if request.refused:
        query = query.where(_Row.code.in_(_REFUSALS))
    if request.HasField("since"):
        query = query.where(_Row.at >= _moment(request.since))
    if request.token:
        query = query.where(_Row.id < _before(request.token))
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    token = str(rows[-1].id) if len(rows) == limit else ""
    return access_pb2.ListAuditResponse(entries=[_message(row) for row in rows], token=token)


async def remove_old(sessions: async_sessionmaker[AsyncSession], max_age: timedelta) -> int:
    """Remove some entries that are older; return how many."""
    old = select(_Row.id).where(_Row.at < datetime.now(UTC) - max_age).order_by(_Row.at).limit(REMOVED_AT_ONCE)
    async with sessions.begin() as session:
        removed = await session.execute(delete(_Row).where(_Row.id.in_(old)).returning(_Row.id))
        return len(removed.all())


def _values(entry: Entry) -> dict[str, Any]:
    identity, presented = entry.identity, entry.presented
    values = {
        "subject": identity.subject if identity else "",
        "issuer": identity.issuer if identity else "",
        "kind": identity.kind.value if identity else "",
        "credential": identity.credential.value if identity else "",
        "credential_id": identity.credential_id if identity else "",
        "peer": presented.peer,
        "transport": presented.transport,
        "action": entry.action,
        "project": entry.scope.project,
        "domain": entry.scope.domain,
        "code": entry.code,
        "request_id": presented.request_id,
    }
    kept = {name: _clean(value, validation.MAX_NAME_LENGTH) for name, value in values.items()}
    longer = {"target": entry.target, "message": entry.message}
    return kept | {name: _clean(value, _LONGEST_MESSAGE) for name, value in longer.items()} | {"at": entry.at}


def _clean(text: str, length: int) -> str:
    # Postgres stores no NUL characters.
    return text.replace("\0", "")[:length]


def _shown(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value and name != "at"}


def _moment(stamp: timestamp_pb2.Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as e:
        raise InvalidRequest("invalid value for since: it is no time of the years 1 to 9999") from e


def _before(token: str) -> int:
    if not token.isascii() or not token.isdigit() or len(token) > 18:
        raise InvalidRequest("invalid value for token: pass the token of the page before")
    return int(token)


def _message(row: AuditRow) -> access_pb2.AuditEntry:
    names = ("subject", "issuer", "kind", "credential", "credential_id", "peer", "transport", "action", "project",
             "domain", "target", "code", "message", "request_id")  # fmt: skip
    return access_pb2.AuditEntry(at=times.timestamp(row.at), **{name: getattr(row, name) for name in names})
