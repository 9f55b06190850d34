"""A file that names what a worker holds of Temporal's: activities that run, and workflows in its cache.

The file outlives a worker that is killed. Its lock is free then, and whatever takes it hands the work back; see
``lost_workers``.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio import activity, workflow
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from flytetemporal.plugins.local import lifetime_locks

SLOT_BYTES = 2048
"""An entry's place in the file. A longer one is not noted; Temporal then notices a death by its own timeouts."""
_ACTIVITY, _WORKFLOW, _HOLDER = b"A", b"W", b"H"
_HEADER_BYTES = 3
_SEPARATOR = b"\0"


@dataclass
class Held:
    """What a file names."""

    holder: str = ""
    """The lease of the worker's process, see ``plugins/local/process_ownership``."""
    task_tokens: list[bytes] = field(default_factory=list)
    """Of its activities."""
    runs: list[tuple[str, str]] = field(default_factory=list)
    """Id and run id of the workflows in its cache."""


class HeldWork:
    """The file of this process, locked while it is open. Entries are written in place, from any thread."""

    def __init__(self, folder: Path, holder: str) -> None:
        self.path, self._file = lifetime_locks.create(folder)
        self._free: list[int] = []
        self._next = itertools.count()
        self._write(_HOLDER + holder.encode())

    def close(self) -> None:
        """Remove the file: what is held is handed back, or ends by Temporal's timeouts."""
        self.path.unlink(missing_ok=True)
        os.close(self._file)

    @contextlib.contextmanager
    def running(self, task_token: bytes) -> Iterator[None]:
        """Name an activity while the context is open."""
        with self._named(_ACTIVITY + task_token):
            yield

    @contextlib.contextmanager
    def cached(self, workflow_id: str, run_id: str) -> Iterator[None]:
        """Name a run of a workflow while the context is open."""
        with self._named(_WORKFLOW + workflow_id.encode() + _SEPARATOR + run_id.encode()):
            yield

    @contextlib.contextmanager
    def _named(self, entry: bytes) -> Iterator[None]:
        slot = self._write(entry)
        try:
            yield
        finally:
            os.pwrite(self._file, bytes(_HEADER_BYTES), slot * SLOT_BYTES)
            self._free.append(slot)

    def _write(self, entry: bytes) -> int:
        # Both ways to get a slot are atomic, since several threads of workflows come here.
        try:
            slot = self._free.pop()
        except IndexError:
            slot = next(self._next)
        if len(entry) < SLOT_BYTES - _HEADER_BYTES:
            content = entry[:1] + (len(entry) - 1).to_bytes(_HEADER_BYTES - 1, "big") + entry[1:]
            os.pwrite(self._file, content, slot * SLOT_BYTES)
        return slot


def read(file: int) -> Held:
    """Return what an open file names. A machine that died can have left it damaged; Temporal refuses what is wrong."""
    held = Held()
    position = 0
    while content := os.pread(file, SLOT_BYTES, position):
        position += SLOT_BYTES
        kind, length = content[:1], int.from_bytes(content[1:_HEADER_BYTES], "big")
        value = content[_HEADER_BYTES : _HEADER_BYTES + length]
        if kind == _ACTIVITY:
            held.task_tokens.append(value)
        elif kind == _WORKFLOW:
            workflow_id, _, run_id = value.decode(errors="replace").partition(_SEPARATOR.decode())
            held.runs.append((workflow_id, run_id))
        elif kind == _HOLDER:
            held.holder = value.decode(errors="replace")
    return held


class HeldWorkInterceptor(Interceptor):
    """Notes activities while they run, and workflows while they are in the cache."""

    def __init__(self, held: HeldWork) -> None:
        self._held = held

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next link of the chain."""
        return _Activity(next, self._held)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:
        """Return a class that notes runs here; the SDK makes its instances."""
        held = self._held

        class Noted(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
                # The context closes when the run ends and when it leaves the cache, since the SDK then cancels it.
                with held.cached(workflow.info().workflow_id, workflow.info().run_id):
                    return await super().execute_workflow(input)

        return Noted


class _Activity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, held: HeldWork) -> None:
        super().__init__(next)
        self._held = held

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        if activity.info().is_local:  # It belongs to a workflow task, and has no token.
            return await super().execute_activity(input)
        with self._held.running(activity.info().task_token):
            return await super().execute_activity(input)
