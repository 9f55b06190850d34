"""The authenticator of our own access tokens."""

import asyncio
import time
from dataclasses import dataclass, field

from flytetemporal.auth.identity import Identity
from flytetemporal.auth.server import tokens
from flytetemporal.auth.server.keys import KeyRing
from flytetemporal.auth.server.records import Records
from flytetemporal.auth.server.task_tokens import TaskTokens
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc.callers import Presented

BEARER = "bearer "
_REVOCATIONS_SECONDS = 2.0


@dataclass(slots=True)
class Revocations:
    """The grants that were revoked, as of at most two seconds ago."""

    records: Records
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _grants: frozenset[str] = field(default=frozenset(), init=False)
    _read_at: float = field(default=float("-inf"), init=False)

    async def contain(self, grant_id: str) -> bool:
        """Whether a grant was revoked."""
        if time.monotonic() - self._read_at > _REVOCATIONS_SECONDS:
            async with self._lock:
                if time.monotonic() - self._read_at > _REVOCATIONS_SECONDS:
                    self._grants = await self.records.revoked_grants()
                    self._read_at = time.monotonic()
        return grant_id in self._grants


@dataclass(frozen=True, slots=True)
class OwnTokens:
    """Knows the bearer tokens that this installation has issued."""

    issuer: str
    ring: KeyRing
    revocations: Revocations
    tasks: TaskTokens

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return whose token was presented; None if it names another issuer.

        Raises:
            Unauthenticated: the token is not valid, or was revoked.
        """
        if not presented.authorization.lower().startswith(BEARER):
            return None
        token = presented.authorization[len(BEARER) :].strip()
        if not tokens.issued_by(token, self.issuer):
            return None
        claims = await tokens.verified(token, self.issuer, self.ring)
        if claims.get("kind") == tokens.TASK:
            await self.tasks.check(claims)
            return tokens.identity(claims)
        if await self.revocations.contain(str(claims.get("sid", ""))):
            raise Unauthenticated("this sign-in was revoked; sign in again")
        return tokens.identity(claims)
