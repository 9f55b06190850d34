"""Continue-As-New: a run whose history has grown long hands over to a new one of the same execution.

It does so at a moment at which its nodes only wait: no activity is open, and admin knows everything. To get there no
node and no attempt begins for a while (the run holds). A run that does not get there soon goes on and tries again
later; one whose history nears Temporal's limit holds until it is there. What a waiting node needs in order to go on
waiting is in its ``OpenNode``, which the node itself keeps up to date.
"""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Protocol

from google.protobuf import timestamp_pb2
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.node_ids import NodeIds
from flytetemporal.workflows.report import Reports
from flytetemporal.workflows.throttling.suspension import Suspended

# Events and bytes of a history after which a run would like to end. Temporal ends it at 51,200 and 50 MB.
EVENTS = 10_000
EVENT_BYTES = 1024
# At so many times that it no longer gives up.
LAST_CHANCE = 3
# How long nodes that could begin are kept waiting in vain.
DRAIN_TIMEOUT = timedelta(seconds=30)
TELLING_PATCH = "stopped_sleepers_tell"
INLINE_BYTES = 256 * 1024
PART_BYTES = 1024 * 1024
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=5)


class ContinueAsNewRequested(Exception):
    """The run ends here; the next one gets ``argument``."""

    def __init__(self, argument: execution_pb2.ExecutionInput) -> None:
        super().__init__("the execution goes on in a new run")
        self.argument = argument


class Level(Protocol):
    """A level that is being walked."""

    def state(self) -> continuation_pb2.LevelState:
        """Return where it stands."""
        ...

    def request_continue_as_new(self, request: ContinueAsNewRequested) -> bool:
        """Have the walk raise ``request``; False when it is ending anyway."""
        ...


class Continuation:
    """Keeps what the next run would need, and decides when it begins."""

    def __init__(self, argument: execution_pb2.ExecutionInput, reports: Reports, node_ids: NodeIds) -> None:
        self._argument = argument
        self._reports = reports
        self._node_ids = node_ids
        self._events = argument.history_events or EVENTS
        self._limit = self._events
        self._state = continuation_pb2.RunState()
        self._restored: dict[str, continuation_pb2.OpenNode] = {}
        self._resumed: frozenset[str] = frozenset()
        self._levels: dict[str, Level] = {}
        self._open: dict[str, continuation_pb2.OpenNode] = {}
        self._idle: dict[str, None] = {}
        self._postponements = 0
        self._is_draining = False
        self._admission = _opened()
        self._disturbed = False
        self._unfrozen = _opened()

    async def restore(self) -> None:
        """Read where the run before stood, if there was one."""
        kind = self._argument.WhichOneof("state")
        if kind is None:
            self._state.began_at.FromDatetime(workflow.info().start_time)
            return
        gzipped = self._argument.inline_state
        if kind == "stored_state":
            gzipped = b"".join([await _loaded(part) for part in self._argument.stored_state.parts])
        self._state = continuation_pb2.RunState.FromString(gzip.decompress(gzipped))
        self._node_ids.restore(self._state.hashed)
        self._restored = {node.node_id: node for node in self._state.open}
        self._resumed = frozenset(self._restored)

    @property
    def began_at(self) -> timestamp_pb2.Timestamp:
        """When the first run of the execution began."""
        return self._state.began_at

    def restored_level(self, parent_id: str) -> continuation_pb2.LevelState | None:
        """Return where a level stood in the run before; once, for it may be walked again later."""
        for position, level in enumerate(self._state.levels):
            if level.parent_id == parent_id:
                del self._state.levels[position]
                return level
        return None

    def has_level(self, parent_id: str) -> bool:
        """Say whether a level below a node stood somewhere in the run before, and has not gone on yet."""
        return any(level.parent_id == parent_id for level in self._state.levels)

    def is_resumed(self, node_id: str) -> bool:
        """Say whether a node was open in the run before."""
        return node_id in self._resumed

    def forget(self, node_id: str) -> None:
        """Forget a suspended node: it has been stopped."""
        self._restored.pop(node_id, None)

    def may_be_delayed(self, node_id: str) -> bool:
        """Say whether a node need not begin at once: it is new, or all it did was to sleep.

        Others may have something to stop, which they can do only once they have begun.
        """
        return node_id not in self._restored or self.has_slept(node_id)

    def is_due(self, node_id: str) -> bool:
        """Say whether a node is to go on that was open in the run before, or was suspended, and has not begun yet."""
        return node_id in self._restored

    def has_slept(self, node_id: str) -> bool:
        """Say whether a node is to go on whose sleep was all that it did."""
        restored = self._restored.get(node_id)
        return restored is not None and restored.HasField("wakes_at")

    @contextlib.contextmanager
    def walking(self, parent_id: str, level: Level) -> Iterator[None]:
        """Keep a level in mind while it is walked."""
        self._levels[parent_id] = level
        try:
            yield
        finally:
            self._levels.pop(parent_id, None)

    @contextlib.asynccontextmanager
    async def working(self, node_id: str) -> AsyncIterator[continuation_pb2.OpenNode]:
        """Have a node begin as soon as it may; gives what is kept of it, which it may fill in."""
        if self.may_be_delayed(node_id):
            await self._admission_of(node_id)
        restored = self._restored.pop(node_id, None)
        progress = continuation_pb2.OpenNode(node_id=node_id) if restored is None else restored
        self._open[node_id] = progress
        try:
            yield progress
        except Suspended:
            self._restored[node_id] = progress
            raise
        finally:
            self._open.pop(node_id, None)
            self._idle.pop(node_id, None)

    async def _admission_of(self, node_id: str) -> None:
        """Return when a node may begin, or when one that has slept is stopped: it has to tell of that, so it goes on.

        Raises:
            asyncio.CancelledError: a new node was stopped.
        """
        try:
            await self.admission()
        except asyncio.CancelledError:
            if not self.has_slept(node_id) or not workflow.patched(TELLING_PATCH):
                raise
            if task := asyncio.current_task():
                task.cancel()  # What it waits for next ends it.

    async def admission(self) -> None:
        """Return when the run does not hold."""
        while not self._admission.is_set():
            await self._admission.wait()

    @property
    def is_draining(self) -> bool:
        """Nothing new may begin."""
        return not self._admission.is_set()

    def _set_draining(self, *, draining: bool) -> None:
        self._is_draining = draining
        self._admit()

    def _admit(self) -> None:
        if self._is_draining and not self._postponements:
            self._admission.clear()
        else:
            self._admission.set()

    def progress(self, node_id: str) -> continuation_pb2.OpenNode:
        """Return what is kept of an open node; of anything else, elements of arrays for one, nothing is kept."""
        return self._open.get(node_id) or continuation_pb2.OpenNode()

    @contextlib.asynccontextmanager
    async def idle(self, node_id: str, *, timer: bool = False) -> AsyncIterator[None]:
        """Say that a node only waits, for what the next run can wait for as well; ``timer``: for time to pass."""
        if node_id not in self._open:
            yield
            return
        self._idle[node_id] = None
        try:
            yield
            if not self._unfrozen.is_set():
                # Time that has passed is seen by the next run; whatever else happened is not.
                self._disturbed |= not timer
                await self._unfrozen.wait()
        finally:
            self._idle.pop(node_id, None)

    @contextlib.contextmanager
    def postponed(self) -> Iterator[None]:
        """Say that what follows cannot go on in another run."""
        self._postponements += 1
        self._admit()
        try:
            yield
        finally:
            self._postponements -= 1
            self._admit()

    async def watch(self) -> None:
        """Hand over when it is time to; ends when the primary walk has been told, or is ending anyway."""
        while True:
            await workflow.wait_condition(lambda: self._length() >= self._limit)
            self._set_draining(draining=True)
            try:
                if await self._drain(patient=self._limit >= LAST_CHANCE * self._events):
                    return
            except (TimeoutError, FailureError):
                self._limit = self._length() + self._events // 5
            finally:
                self._unfrozen.set()
                self._set_draining(draining=False)

    def _length(self) -> int:
        """Return the length of the history in events, counting many bytes as events too."""
        info = workflow.info()
        return max(info.get_current_history_length(), info.get_current_history_size() // EVENT_BYTES)

    async def _drain(self, *, patient: bool) -> bool:
        """Wait for quiet, then end the run.

        Raises:
            TimeoutError: it is not quiet after ``DRAIN_TIMEOUT``, unless we are patient.
            FailureError: the state cannot be stored.
        """
        while True:
            await workflow.wait_condition(
                self._is_idle, timeout=None if patient else DRAIN_TIMEOUT, timeout_summary="continue as new"
            )
            await self._reports.flush()
            if not self._is_idle():
                continue
            self._unfrozen.clear()
            self._disturbed = False
            told = self._reports.added
            argument = await self._next()
            if self._is_idle() and not self._disturbed and self._reports.added == told:
                return self._levels[""].request_continue_as_new(ContinueAsNewRequested(argument))
            self._unfrozen.set()

    def _is_idle(self) -> bool:
        return self._postponements == 0 and len(self._idle) == len(self._open)

    async def _next(self) -> execution_pb2.ExecutionInput:
        """Return the argument of the next run."""
        # What has not gone on yet since the run before is handed on as it came.
        state = continuation_pb2.RunState(
            levels=[*(level.state() for level in self._levels.values()), *self._state.levels],
            open=[*self._open.values(), *self._restored.values()],
            began_at=self._state.began_at,
            hashed=self._node_ids.hashed(),
        )
        gzipped = gzip.compress(state.SerializeToString(deterministic=True), compresslevel=1, mtime=0)
        argument = execution_pb2.ExecutionInput()
        argument.CopyFrom(self._argument)
        if len(gzipped) <= INLINE_BYTES:
            argument.inline_state = gzipped
            return argument
        directory = locations.states_dir(argument.metadata_dir)
        argument.stored_state.Clear()
        for start in range(0, len(gzipped), PART_BYTES):
            part = continuation_pb2.StateBytes(directory=directory, gzipped=gzipped[start : start + PART_BYTES])
            argument.stored_state.parts.append(await _stored(part))
        return argument


async def _stored(part: continuation_pb2.StateBytes) -> execution_pb2.ContentReference:
    return await engine_activities.execute(
        activities.store_state,
        part,
        retry_policy=RETRY,
        summary="state for the next run",
    )


async def _loaded(part: execution_pb2.ContentReference) -> bytes:
    loaded = await engine_activities.execute(activities.load_graph, part, summary="state of the run before")
    return loaded.gzipped


def _opened() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event
