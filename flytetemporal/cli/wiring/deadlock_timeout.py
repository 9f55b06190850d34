"""The deadlock timeout of workflow tasks; see docs/decisions/0012."""

from typing import Any

from temporalio.worker import Worker

# The SDK's default, 2 s, is wall time: on a busy machine 0.2 s of work can take that long, and a stall much longer.
# A workflow task that takes five minutes is in an endless loop.
DEADLOCK_SECONDS = 300


def set_deadlock_timeout(worker: Worker) -> Worker:
    """Let a workflow task take ``DEADLOCK_SECONDS`` before the SDK declares it deadlocked; return the worker."""
    inner: Any = worker._workflow_worker  # noqa: SLF001  there is no public setting
    inner._deadlock_timeout_seconds = DEADLOCK_SECONDS  # noqa: SLF001
    return worker
