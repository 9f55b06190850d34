"""A single execution of the activity for a task attempt: its heartbeats, its clock, and its calls of the plugin."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import ParamSpec, TypeVar

from flyteidl.core import tasks_pb2
from temporalio import activity

from flytetemporal.activities.heartbeats import beating
from flytetemporal.activities.task_events import TIMEOUT_EXPIRED
from flytetemporal.activities.task_reports import TaskReports
from flytetemporal.errors import Internal, StoreAccessDenied, Unavailable
from flytetemporal.idl import times
from flytetemporal.plugins.protocol import (
    ErrorKind,
    PhaseInfo,
    Plugin,
    Rejected,
    TakenOver,
    TaskContext,
    TaskPhase,
    failed,
)
from flytetemporal.plugins.transient import DENIED, retry_transient

P = ParamSpec("P")
T = TypeVar("T")

HEARTBEAT_SECONDS = 1.0
# If the plugin has not stopped an attempt this long after its timeout, Temporal repeats it, maybe on another worker.
STOP_SECONDS = 120.0
# An attempt that gets its place sooner is not reported as waiting, which would cost a call.
SHOW_WAIT_SECONDS = 0.5
_PLACE = "a container slot of its worker (worker.max_containers)"


class NotStopped(Unavailable):
    """An attempt whose timeout has expired, and which its plugin does not stop."""


class TaskRun:
    """A single execution of the activity. Its clock starts when it is made."""

    def __init__(self, reports: TaskReports) -> None:
        self._reports = reports
        self._handle = b""
        self._context: TaskContext | None = None
        self._note = ""
        self._remark = ""
        self._started_at = asyncio.get_running_loop().time()

    @contextlib.asynccontextmanager
    async def heartbeating(self) -> AsyncIterator[None]:
        """Heartbeat while the context is open. Temporal answers heartbeats with cancellations."""
        try:
            async with beating(HEARTBEAT_SECONDS, self._details):
                yield
        finally:
            self._reports.stop()

    def _details(self) -> tuple[bytes, bytes, bytes]:
        return self._handle, self._note.encode(), self._remark.encode()

    def note(self, problem: str) -> None:
        """Set what the activity waits for, empty if nothing. Heartbeats carry it to ``flytetemporal why``."""
        self._note = problem

    @contextlib.asynccontextmanager
    async def placed(self, plugin: Plugin, template: tasks_pb2.TaskTemplate) -> AsyncIterator[None]:
        """Wait for a place of the plugin and hold it; the clock stands still while it waits, and clients see that."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        showing = loop.call_later(SHOW_WAIT_SECONDS, self._show_wait)
        async with contextlib.AsyncExitStack() as held:
            try:
                await held.enter_async_context(plugin.place(template))
            finally:
                showing.cancel()
            self.note("")
            self._started_at += loop.time() - asked_at
            yield

    @contextlib.contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Stop the clock while the context is open, and show what the attempt waits for."""
        loop = asyncio.get_running_loop()
        since = loop.time()
        self.note(what)
        try:
            yield
        finally:
            self.note("")
            self._started_at += loop.time() - since

    def _show_wait(self) -> None:
        self.note(_PLACE)
        self._reports.report(PhaseInfo(TaskPhase.WAITING_FOR_RESOURCES, reason=f"waits for {_PLACE}"))

    @contextlib.asynccontextmanager
    async def aborting_on_error(self, plugin: Plugin, context: TaskContext) -> AsyncIterator[None]:
        """Abort the attempt if the context ends with an error or a cancellation, before either continues.

        An attempt that outlives its worker is left to the next execution of the activity, unless it was aborted.
        """
        try:
            yield
        except (Rejected, NotStopped):
            raise  # Nothing runs, or nothing more can be done.
        except BaseException as e:
            if plugin.outlives_worker and _is_repeated(e):
                raise
            # Shielded, since a second cancellation must not leave the task running.
            await asyncio.shield(plugin.abort(context, self._handle))
            raise

    async def to_end(self, plugin: Plugin, context: TaskContext, taken: TakenOver | None = None) -> PhaseInfo:
        """Start the attempt, unless one that runs was taken over, and return its last phase; at its timeout, stop it.

        Raises:
            Rejected: the task can never run here.
            NotStopped: the timeout has expired, and the attempt does not stop.
        """
        limit = context.timeout
        spent = asyncio.get_running_loop().time() - self._started_at
        if taken is not None:  # A worker that dies again and again must not let the attempt run for ever.
            spent = max(spent, taken.age.total_seconds())
        deadline = asyncio.timeout(max(0.0, limit.total_seconds() - spent) if limit else None)
        try:
            async with deadline:
                # One that has ended meanwhile keeps its result, even after its timeout.
                return await self._watch(plugin, context, None if taken is None else taken.handle)
        except TimeoutError:
            if not deadline.expired():  # The plugin has raised it.
                raise
            await stopped_in_time(plugin.abort(context, self._handle), context)
            return timed_out(context)

    async def finalize(self, plugin: Plugin) -> None:
        """Remove what is left of an attempt that has ended."""
        if self._context is not None:
            await plugin.finalize(self._context)

    async def _watch(self, plugin: Plugin, context: TaskContext, handle: bytes | None) -> PhaseInfo:
        self._context = context
        self._handle = await plugin.start(context) if handle is None else handle
        async for info in plugin.watch(context, self._handle):
            if info.is_terminal:
                return info
            self._remark = info.reason  # Heartbeats carry it to ``flytetemporal why``.
            self._reports.report(info)
        raise Internal(f"plugin {plugin.identifier} stopped watching attempt {context.key} before its end")


async def stopped_in_time(stopping: Awaitable[None], context: TaskContext) -> None:
    """Wait until an attempt that has timed out is stopped. Raises ``NotStopped`` if that takes too long."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await stopping
    except TimeoutError as e:
        text = f"attempt {context.key} has timed out and has not stopped within {STOP_SECONDS:g} s"
        raise NotStopped(text) from e


def timed_out(context: TaskContext) -> PhaseInfo:
    """Return the last phase of an attempt whose timeout has expired."""
    text = f"task execution timeout [{times.go_text(context.timeout)}] expired"
    return failed(TIMEOUT_EXPIRED, text, ErrorKind.USER, recoverable=True)


async def once_allowed(operation: Callable[P, Awaitable[T]], *arguments: P.args, **named: P.kwargs) -> T:
    """Prepare an attempt; wait while the store denies access. Temporal repeats the activity after any other error."""
    return await retry_transient(functools.partial(operation, *arguments, **named), "inputs", DENIED)


def _is_repeated(error: BaseException) -> bool:
    """Whether Temporal executes the activity again after this error, maybe on another worker."""
    if isinstance(error, asyncio.CancelledError):
        return not is_aborted()
    # After denied access to the store another attempt follows instead.
    return isinstance(error, Unavailable) and not isinstance(error, StoreAccessDenied)


def is_aborted() -> bool:
    """Whether the workflow has cancelled the activity; a worker that stops or a lost heartbeat cancels it too."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested
