"""The removal of grants, codes, tokens and sessions that have expired."""

from sqlalchemy import delete, func, select

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.sign_in.models import SignInGrantRow, SignInSecretRow
from flytetemporal.admin.upkeep.loops import Found

_NOW = func.now()
_AT_ONCE = 1000


async def remove_expired(deps: Dependencies) -> Found:
    """Remove some of what has expired; run as a round of a loop."""
    removed = 0
    async with deps.sessions.begin() as session:
        for row, key in ((SignInSecretRow, SignInSecretRow.digest), (SignInGrantRow, SignInGrantRow.id)):
            some = select(key).where(row.expires_at < _NOW).limit(_AT_ONCE)
            gone = delete(row).where(key.in_(some), row.expires_at < _NOW).returning(key)
            removed += len((await session.execute(gone)).all())
    return Found({"sign_in_expired": removed}) if removed else Found()
