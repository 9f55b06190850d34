"""What a task plugin is, and what it is told and tells about one attempt of a task.

A plugin has three verbs. All may be repeated: names derive from ids, so starting what runs changes nothing, and
aborting what is gone succeeds. Deadlines, heartbeats, events and the check of outputs belong to the activity, not to
the plugin.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, tasks_pb2

TaskPhase = core_execution_pb2.TaskExecution
ErrorKind = core_execution_pb2.ExecutionError
_TERMINAL = (TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ABORTED)


class Rejected(Exception):
    """The task cannot be run at all, and the user must mend it: a permanent failure of kind USER."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class TaskContext:
    """One attempt of one task, ready to run: templates are rendered, overrides are applied."""

    name: str
    """The generated name of the attempt; unique within its project and domain."""
    node_execution_id: identifier_pb2.NodeExecutionIdentifier
    attempt: int
    template: tasks_pb2.TaskTemplate
    command: tuple[str, ...]
    """The container's command and, behind it, its arguments."""
    image: str
    """For those who run one; an override of the node's wins."""
    environment: Mapping[str, str]
    """What Flyte and the task ask for; the plugin adds what its own kind of machine needs."""
    resources: tasks_pb2.Resources
    inputs_uri: str
    output_dir: str
    raw_output_dir: str
    timeout: timedelta
    """Zero: no limit. The activity keeps it; a plugin may pass it on to what it starts."""
    interruptible: bool

    @property
    def key(self) -> str:
        """A name of the attempt that is unique in the installation."""
        execution = self.node_execution_id.execution_id
        return f"{execution.project}/{execution.domain}/{self.name}"


@dataclass(frozen=True, slots=True)
class PhaseInfo:
    """What a plugin sees of an attempt. ``error`` and ``recoverable`` are for FAILED only."""

    phase: core_execution_pb2.TaskExecution.Phase
    reason: str = ""
    logs: tuple[core_execution_pb2.TaskLog, ...] = ()
    error: core_execution_pb2.ExecutionError | None = None
    recoverable: bool = False

    @property
    def is_terminal(self) -> bool:
        """Say whether nothing follows."""
        return self.phase in _TERMINAL


class Plugin(Protocol):
    """Runs attempts of the task types it is registered for."""

    @property
    def identifier(self) -> str:
        """The name that task events carry."""

    async def start(self, context: TaskContext) -> bytes:
        """Start the attempt and return a small handle that names it after a restart of the worker.

        Raises:
            Rejected: the task can never run here.
            Unavailable: not now; the same call may pass later.
        """

    def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        """Yield what the attempt does until it has ended; the last phase is terminal.

        SUCCEEDED means that the task's program ended well: what it left is judged by the activity.
        """

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Stop the attempt; return when nothing of it runs any more. An empty handle names an earlier, unknown try."""


def succeeded() -> PhaseInfo:
    """Return the phase of a program that ended well."""
    return PhaseInfo(TaskPhase.SUCCEEDED)


def failed(
    code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind, *, recoverable: bool
) -> PhaseInfo:
    """Return the phase of an attempt that the plugin itself saw fail."""
    error = core_execution_pb2.ExecutionError(code=code, message=message, kind=kind)
    return PhaseInfo(TaskPhase.FAILED, error=error, recoverable=recoverable)
