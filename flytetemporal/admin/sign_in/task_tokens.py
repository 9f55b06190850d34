"""The tokens of tasks: who gets one, and when it ends."""

from cachetools import TTLCache
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow, TaskExecutionRow
from flytetemporal.auth.server.task_tokens import TaskAttempt
from flytetemporal.contracts.v1 import task_tokens_pb2
from flytetemporal.errors import FailedPrecondition
from flytetemporal.idl import phases, times

_KNOWN_SECONDS = 2.0
_KNOWN_ATTEMPTS = 10_000
_EXECUTION_ENDED = [phases.W.Phase.Name(phase) for phase in phases.WORKFLOW_TERMINAL]
_TASK_ENDED = frozenset(phases.T.Phase.Name(phase) for phase in phases.TASK_TERMINAL)


async def issue(
    deps: Dependencies, request: task_tokens_pb2.IssueTaskTokenRequest
) -> task_tokens_pb2.IssueTaskTokenResponse:
    """Return a token for the code of an attempt.

    Raises:
        FailedPrecondition: the attempt has ended, or there is no sign-in.
    """
    node = request.node_execution_id
    if deps.task_tokens is None:
        raise FailedPrecondition("this installation has no sign-in, so tasks need no token")
    validation.check_present(node, "node_id")
    found = node.execution_id
    attempt = TaskAttempt(found.project, found.domain, found.name, node.node_id, request.attempt)
    if not await deps.task_tokens.attempts.running(attempt):
        raise FailedPrecondition(
            f"the attempt of node [{node.node_id}] of execution [{found.name}] has ended, or does not exist: it needs "
            "no token"
        )
    token, expires_at = await deps.task_tokens.issue(attempt)
    return task_tokens_pb2.IssueTaskTokenResponse(token=token, expires_at=times.timestamp(expires_at))


class StoredAttempts:
    """Implements ``auth.server.task_tokens.Attempts``. An attempt without a row of its own has not reported yet."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._known: TTLCache[TaskAttempt, bool] = TTLCache(_KNOWN_ATTEMPTS, _KNOWN_SECONDS)

    async def running(self, attempt: TaskAttempt) -> bool:
        """Whether the attempt has not ended."""
        known = self._known.get(attempt)
        if known is None:
            known = self._known[attempt] = await self._running(attempt)
        return bool(known)

    async def _running(self, attempt: TaskAttempt) -> bool:
        execution, task = ExecutionRow, TaskExecutionRow
        open_execution = select(execution.execution_name).where(
            execution.execution_project == attempt.project,
            execution.execution_domain == attempt.domain,
            execution.execution_name == attempt.execution,
            execution.phase.not_in(_EXECUTION_ENDED),
        )
        own_phases = select(task.phase).where(
            task.execution_project == attempt.project,
            task.execution_domain == attempt.domain,
            task.execution_name == attempt.execution,
            task.node_id == attempt.node_id,
            task.retry_attempt == attempt.attempt,
        )
        async with self._sessions() as session:
            if (await session.execute(open_execution)).first() is None:
                return False
            return not any(phase in _TASK_ENDED for phase in (await session.execute(own_phases)).scalars())
