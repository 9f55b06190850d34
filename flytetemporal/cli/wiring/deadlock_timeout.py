"""When the SDK takes a workflow task for dead; see docs/decisions/0012."""

from typing import Any

from temporalio.worker import Worker

# The SDK's 2 s are wall time: work of 0.2 s takes that long on a crowded machine, and a stall may take much longer.
# What takes five minutes is an endless loop.
DEADLOCK_SECONDS = 300


def set_deadlock_timeout(worker: Worker) -> Worker:
    """Let a workflow task take ``DEADLOCK_SECONDS`` before the SDK takes it for dead; return the worker."""
    inner: Any = worker._workflow_worker  # noqa: SLF001  there is no public setting
    inner._deadlock_timeout_seconds = DEADLOCK_SECONDS  # noqa: SLF001
    return worker
