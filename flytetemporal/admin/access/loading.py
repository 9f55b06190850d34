"""Load roles and API keys into memory, where every call looks them up.

A revision in the database says whether anything has changed. Each change increments it in its own transaction; each
admin looks at it once a second, so that a change applies everywhere within two. While the database does not answer,
what was loaded last applies.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.access.models import AccessBindingRow, AccessKeyRow, AccessRevisionRow
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.auth.api_keys import ApiKey
from flytetemporal.auth.identity import Restriction
from flytetemporal.auth.roles import Binding, Scope, Subject, role
from flytetemporal.errors import InvalidRequest

INTERVAL_SECONDS = 1.0
_NAME = "access"
# Rounds after which everything is loaded again: the roles of a project that was deleted go without a revision.
_LOADED_ANYWAY = 60

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def changed(session: AsyncSession) -> None:
    """Note in the transaction of a change that there is one. Changes wait here for each other."""
    row = AccessRevisionRow
    first = insert(row).values(name=_NAME, revision=1)
    await session.execute(first.on_conflict_do_update(index_elements=["name"], set_={"revision": row.revision + 1}))


class Loader:
    """Keeps the policies and the API keys of a process up to date."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        self._loaded = -1
        self._rounds = 0

    async def refresh(self) -> None:
        """Load everything if anything has changed."""
        self._rounds += 1
        async with self._deps.sessions() as session:
            revision = await session.scalar(select(AccessRevisionRow.revision)) or 0
            # Read before the rows: a change that commits in between is loaded again, not missed.
            if revision == self._loaded and self._rounds % _LOADED_ANYWAY:
                return
            bindings = (await session.scalars(select(AccessBindingRow))).all()
            keys = (await session.scalars(select(AccessKeyRow).where(AccessKeyRow.revoked_at.is_(None)))).all()
        self._deps.policies.replace(_bindings(bindings))
        self._deps.keys.replace(_key(row) for row in keys)
        self._loaded = revision


def _bindings(rows: Sequence[AccessBindingRow]) -> list[Binding]:
    found = []
    for row in rows:
        try:
            found.append(Binding(Subject.parse(row.subject), role(row.role), Scope(row.project, row.domain)))
        except InvalidRequest as e:  # Of a newer version, whose roles this one does not know.
            _log.warning("binding_not_understood", subject=row.subject, role=row.role, problem=e.message)
    return found


def _key(row: AccessKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        secret_hash=row.secret_hash,
        owner=Subject.parse(row.owner),
        restriction=Restriction(row.role, row.project, row.domain),
        expires_at=row.expires_at,
    )
