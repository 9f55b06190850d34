"""Tokens of task attempts, which are valid in the project and domain of their execution, while the attempt runs.

They may read, launch, and register, because flytekit registers the tasks of an eager workflow when it launches them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from flytetemporal.auth.roles import Role
from flytetemporal.auth.server import tokens
from flytetemporal.auth.server.keys import KeyRing
from flytetemporal.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class TaskAttempt:
    """What a token is for."""

    project: str
    domain: str
    execution: str
    node_id: str
    attempt: int


class Attempts(Protocol):
    """Knows which attempts run."""

    async def running(self, attempt: TaskAttempt) -> bool:
        """Whether an attempt has not ended, as of at most two seconds ago."""
        ...


@dataclass(frozen=True, slots=True)
class TaskTokens:
    """Issues and checks them."""

    issuer: str
    ring: KeyRing
    lifetime: timedelta
    attempts: Attempts

    async def issue(self, attempt: TaskAttempt) -> tuple[str, datetime]:
        """Return a new token and when it expires."""
        now = datetime.now(UTC)
        claims = {
            "sub": f"{attempt.project}/{attempt.domain}/{attempt.execution}/{attempt.node_id}/{attempt.attempt}",
            "restriction": {"role": Role.DEVELOPER, "project": attempt.project, "domain": attempt.domain},
            "task": {"execution": attempt.execution, "node": attempt.node_id, "attempt": attempt.attempt},
        }
        token = tokens.task_token(self.issuer, await self.ring.keys(), claims, now, self.lifetime)
        return token, now + self.lifetime

    async def check(self, claims: Mapping[str, Any]) -> None:
        """Check that the attempt of a verified token runs.

        Raises:
            Unauthenticated: it has ended.
        """
        where, task = claims["restriction"], claims["task"]
        attempt = TaskAttempt(where["project"], where["domain"], task["execution"], task["node"], int(task["attempt"]))
        if not await self.attempts.running(attempt):
            raise Unauthenticated(
                f"the attempt of node [{attempt.node_id}] of execution [{attempt.execution}] has ended, and its token "
                "with it"
            )
