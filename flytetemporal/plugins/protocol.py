"""The interface of a task plugin, and the messages that it and the activity exchange about an attempt.

A plugin starts, watches and aborts attempts. All three can be repeated: names derive from ids, so starting an attempt
that runs changes nothing, and aborting one that is gone succeeds. Deadlines, heartbeats, events and the check of
outputs belong to the activity, not to the plugin.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, tasks_pb2

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest

TaskPhase = core_execution_pb2.TaskExecution
ErrorKind = core_execution_pb2.ExecutionError
_TERMINAL = (TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ABORTED)

BAD_SPECIFICATION = "BadTaskSpecification"
OUT_OF_MEMORY = "OOMKilled"
"""The code of an attempt that ran out of memory; Kubernetes' own reason."""
STORE_UNREACHABLE = "StoreUnreachable"
"""The code of an attempt that failed because the object store did not serve it, which is no failure of the user."""


class Rejected(Exception):
    """The task cannot run at all until its author changes it: a permanent failure of kind USER."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@contextlib.contextmanager
def specification_checked() -> Iterator[None]:
    """Raise ``Rejected`` in place of ``InvalidRequest``: the specification of the task cannot be run."""
    try:
        yield
    except InvalidRequest as e:
        raise Rejected(BAD_SPECIFICATION, e.message) from e


@dataclass(frozen=True, slots=True)
class TaskContext:
    """An attempt of a task that is ready to run: templates are rendered, overrides are applied."""

    name: str
    """The generated name of the attempt; unique within its project and domain."""
    node_execution_id: identifier_pb2.NodeExecutionIdentifier
    attempt: int
    template: tasks_pb2.TaskTemplate
    command: tuple[str, ...]
    """The container's command, followed by its arguments."""
    image: str
    """The image of the container, after the override of the node; plugins that run no container ignore it."""
    environment: Mapping[str, str]
    """Variables that Flyte and the task set; the plugin adds those that its kind of machine needs."""
    resources: tasks_pb2.Resources
    inputs_uri: str
    output_dir: str
    raw_output_dir: str
    timeout: timedelta
    """Zero: no limit. The activity enforces it; a plugin can pass it on to what it starts."""
    interruptible: bool
    request: execution_pb2.TaskAttempt = field(default_factory=execution_pb2.TaskAttempt)
    """The request of the workflow, with settings and overrides that only some plugins need."""
    render: Callable[[Iterable[str]], tuple[str, ...]] = tuple
    """Replaces the templates in arguments that are not those of the container.

    Raises ``Rejected`` if an argument names an input that does not exist or has no text form.
    """

    @property
    def key(self) -> str:
        """The name of the attempt that is unique in the installation."""
        execution = self.node_execution_id.execution_id
        return f"{execution.project}/{execution.domain}/{self.name}"


@dataclass(frozen=True, slots=True)
class PhaseInfo:
    """The phase of an attempt as its plugin sees it. ``error`` and ``recoverable`` are for FAILED only."""

    phase: core_execution_pb2.TaskExecution.Phase
    reason: str = ""
    logs: tuple[core_execution_pb2.TaskLog, ...] = ()
    error: core_execution_pb2.ExecutionError | None = None
    recoverable: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether no phase follows."""
        return self.phase in _TERMINAL


@dataclass(frozen=True, slots=True)
class TakenOver:
    """An attempt that an earlier try of any worker has started, and that can be watched."""

    handle: bytes
    age: timedelta
    """For how long it has run; its timeout counts from its start, and not from the take-over."""


class SharedProcess(ABC):
    """A process that runs several attempts one after another (docs/decisions/0019)."""

    @abstractmethod
    async def next(self) -> tuple[int, PhaseInfo] | None:
        """Return the position of the attempt that has started or ended next, with its phase; None after the last one.

        Attempts that have not started by then never will. After a cancellation of this call only ``stop`` is left.
        """

    @abstractmethod
    def take_back(self) -> None:
        """Keep the attempts that have not started from starting."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the attempt that runs, and return when nothing of the process runs; none starts any more."""


class Plugin(ABC):
    """Runs attempts of the task types it is registered for (``cli/wiring/plugins``). One instance per worker."""

    @property
    @abstractmethod
    def identifier(self) -> str:
        """The name that task events carry."""

    only_watches: bool = False
    """Whether the worker only watches the attempts, which run elsewhere or within a bound of the plugin's own.

    Such attempts take none of the worker's ``max_tasks`` slots (docs/decisions/0014).
    """

    outlives_worker: bool = False
    """Whether an attempt goes on if its worker stops or dies, until another worker takes it over."""

    shares_processes: bool = False
    """Whether ``start_shared`` can run several attempts of a task one after another in one process."""

    def place(self, template: tasks_pb2.TaskTemplate) -> AbstractAsyncContextManager[None]:
        """Return a context that waits until the plugin has room for an attempt, and keeps it while it is open.

        The timeout of the attempt does not run while it waits, and clients see it as WAITING_FOR_RESOURCES.
        """
        return contextlib.nullcontext()

    async def open(self) -> None:  # noqa: B027  a plugin that has nothing to prepare needs none
        """Prepare for attempts, before the worker polls for the first one. Slow preparations belong in a task."""

    async def close(self) -> None:  # noqa: B027  as above
        """Stop everything that the plugin runs, after the worker has stopped; also if ``open`` has failed."""

    @abstractmethod
    async def start(self, context: TaskContext) -> bytes:
        """Start the attempt and return a small handle that names it after a restart of the worker.

        Raises:
            Rejected: the task can never run here.
            Unavailable: the task cannot start now; the same call can succeed later.
        """

    async def take_over(self, context: TaskContext) -> TakenOver | None:
        """Return the attempt if an earlier try of any worker has started it and it can be watched.

        None: nothing of it runs any more, and it has to be started.
        """
        await self.abort(context, b"")
        return None

    async def start_shared(self, contexts: Sequence[TaskContext]) -> SharedProcess:
        """Start attempts of one task in one process, in order. They are watched and stopped through what is returned.

        Raises:
            Rejected: none of them can ever run here.
            Unavailable: they cannot start now.
        """
        raise NotImplementedError(f"plugin {self.identifier} gives each attempt its own process")

    @abstractmethod
    def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        """Yield the phases of the attempt until it has ended; the last one is terminal.

        SUCCEEDED means that the task's program ended well; the activity checks its outputs.
        """

    @abstractmethod
    async def abort(self, context: TaskContext, handle: bytes) -> None:
        """Stop the attempt and return when nothing of it runs; an empty handle names an earlier try of any worker."""

    async def finalize(self, context: TaskContext) -> None:  # noqa: B027  most plugins leave nothing behind
        """Remove what is left of an attempt whose end ``watch`` has yielded; return when nothing of it runs.

        It is called after the result of a success is safe, and before that of a failure, which another attempt follows.
        """


def succeeded() -> PhaseInfo:
    """Return the last phase of a program that ended well."""
    return PhaseInfo(TaskPhase.SUCCEEDED)


def failed(
    code: str, message: str, kind: core_execution_pb2.ExecutionError.ErrorKind, *, recoverable: bool
) -> PhaseInfo:
    """Return the last phase of an attempt that the plugin saw fail."""
    error = core_execution_pb2.ExecutionError(code=code, message=message, kind=kind)
    return PhaseInfo(TaskPhase.FAILED, error=error, recoverable=recoverable)
