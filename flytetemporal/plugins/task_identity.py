"""The token with which the code of a task calls admin."""

import dataclasses
from typing import Protocol

from flyteidl.core import identifier_pb2

from flytetemporal.plugins import environment
from flytetemporal.plugins.protocol import TaskContext


class Issuer(Protocol):
    """Issues tokens of attempts; admin does."""

    async def issue_task_token(self, node: identifier_pb2.NodeExecutionIdentifier, attempt: int) -> str:
        """Return a token. Raises ``FailedPrecondition`` if the execution has ended, and ``Unavailable``."""
        ...


class TaskIdentity:
    """Gives attempts their token; none if there is no issuer, because the worker does not sign in either."""

    def __init__(self, issuer: Issuer | None = None) -> None:
        self._issuer = issuer

    async def given(self, context: TaskContext) -> TaskContext:
        """Return the attempt with its token among its variables."""
        if self._issuer is None:
            return context
        token = await self._issuer.issue_task_token(context.node_execution_id, context.attempt)
        return dataclasses.replace(context, environment={**context.environment, **environment.credentials(token)})
