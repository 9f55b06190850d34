"""Retry budgets of a node: what happens after an attempt failed.

Mirrors flytepropeller's nodes/executor.go (isEligibleForRetry): system failures have a budget of their own and do not
consume the user's.
"""

from dataclasses import dataclass

from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.idl import error_text
from flytetemporal.workflows.outcomes import SYSTEM, USER

SYSTEM_RETRIES = 3


@dataclass(slots=True)
class Budget:
    """The attempts of one node. ``max_attempts`` counts user attempts, the first included."""

    max_attempts: int
    attempt: int = 0
    system_failures: int = 0

    def next_attempt(
        self, error: core_execution_pb2.ExecutionError, *, recoverable: bool
    ) -> core_execution_pb2.ExecutionError | None:
        """Account for a failed attempt; return None to try again, or the error that the node fails with."""
        if not recoverable:
            return error
        if error.kind == SYSTEM:
            spent, limit = self.system_failures, SYSTEM_RETRIES
        else:
            spent, limit = self.attempt + 1 - self.system_failures, self.max_attempts
        if spent >= limit:
            return _exhausted(error, spent, limit)
        self.system_failures += error.kind == SYSTEM
        self.attempt += 1
        return None

    @property
    def may_be_interrupted(self) -> bool:
        """False for the attempt that must not be lost to preemption once more."""
        return self.system_failures < SYSTEM_RETRIES


def _exhausted(error: core_execution_pb2.ExecutionError, spent: int, limit: int) -> core_execution_pb2.ExecutionError:
    kind = core_execution_pb2.ExecutionError.ErrorKind.Name(error.kind)
    final = core_execution_pb2.ExecutionError()
    final.CopyFrom(error)
    final.code = f"RetriesExhausted|{error.code}"
    final.message = error_text.shortened(f"[{spent}/{limit}] currentAttempt done. Last Error: {kind}::{error.message}")
    final.kind = USER
    return final
