"""Continue-As-New: when a run whose history has grown long ends, so that a new run continues the execution.

Activities cannot be carried over, so a run ends at a moment at which every open node is idle (it waits for something
that the next run can wait for as well) and admin has all events. The run drains to get there: no node and no attempt
starts. ``run_state`` is what the next run receives.

===========  ===================  ==========================================================  ====================
State        Leaves it for        When                                                        Method
===========  ===================  ==========================================================  ====================
RUNNING      DRAINING             the history has reached the limit                           ``_start_draining``
DRAINING     FROZEN               all open nodes are idle and all events are recorded         ``_freeze``
FROZEN       DRAINING             a node had to continue, or reported, during the snapshot    ``_unfreeze``
FROZEN       REQUESTED            the snapshot is complete and current                        ``_request``
DRAINING,    RUNNING              ``DRAIN_TIMEOUT`` has passed, the snapshot cannot be        ``_resume``
FROZEN                            stored, or the primary walk is ending anyway
===========  ===================  ==========================================================  ====================

In DRAINING nothing starts; in FROZEN no idle node continues either, because the snapshot would be out of date. One
deadline, ``DRAIN_TIMEOUT``, covers both states, however often the run alternates between them. A run that misses it
tries again a fifth of ``history_events`` later. The last chance, at three times ``history_events``, has no deadline:
Temporal would end the run soon. REQUESTED is final: the primary walk raises ``ContinueAsNewRequested``.
"""

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import FailureError

from flytetemporal.contracts.v1 import continuation_pb2
from flytetemporal.workflows import deadlines
from flytetemporal.workflows.reports.event_pump import Reports
from flytetemporal.workflows.run_state import ContinueAsNewRequested, RunState
from flytetemporal.workflows.versions import Patch

# Events of a history after which a run drains, and bytes that count as one event. Temporal ends a run at 51,200 events
# and 50 MB.
EVENTS = 10_000
EVENT_BYTES = 1024
# At this multiple of the limit a run drains without a deadline.
LAST_CHANCE = 3
# After a drain that failed, the next one follows when the history has grown by this fraction of the limit.
RETRY_FRACTION = 5
# How long nodes and attempts that could start are kept from it.
DRAIN_TIMEOUT = timedelta(seconds=30)


class State(enum.Enum):
    """What a run does about its end; see the table above."""

    RUNNING = enum.auto()
    DRAINING = enum.auto()
    FROZEN = enum.auto()
    REQUESTED = enum.auto()


TRANSITIONS = {
    State.RUNNING: (State.DRAINING,),
    State.DRAINING: (State.FROZEN, State.RUNNING),
    State.FROZEN: (State.DRAINING, State.REQUESTED, State.RUNNING),
    State.REQUESTED: (),
}


@dataclass(slots=True)
class _Snapshot:
    """The state that is being stored while the run is FROZEN. ``reported`` counts the entries at its start."""

    reported: int
    is_stale: bool = False


class Continuation:
    """The state machine of one run; ``events`` is the limit of its history, 0: the default."""

    def __init__(self, run_state: RunState, reports: Reports, events: int = 0) -> None:
        self._run_state = run_state
        self._reports = reports
        self._events = events or EVENTS
        self._limit = self._events
        self._idle: dict[str, None] = {}
        self._postponements = 0
        self._snapshot = _Snapshot(0)
        self._state = State.RUNNING
        # The gates that coroutines wait at. They follow the state; only ``_enter`` and ``_update_gates`` touch them.
        self._admission = _open_gate()
        self._unfrozen = _open_gate()

    @property
    def state(self) -> State:
        """The current state."""
        return self._state

    @property
    def is_draining(self) -> bool:
        """Whether nothing new may start. While continue-as-new is postponed, draining would only cost time."""
        return self._state is not State.RUNNING and not self._postponements

    # Transitions: one method each.

    def _start_draining(self) -> None:
        self._enter(State.DRAINING)

    def _freeze(self) -> None:
        self._snapshot = _Snapshot(self._reports.added)
        self._enter(State.FROZEN)

    def _unfreeze(self) -> None:
        self._enter(State.DRAINING)

    def _request(self, request: ContinueAsNewRequested) -> bool:
        """End the primary walk with ``request``; return False if the walk is ending anyway."""
        if not self._run_state.primary.request_continue_as_new(request):
            return False
        # Without the patch the run resumes here: nodes that waited start, and the commands that they issue in this very
        # workflow task stand in its history before the end. They were never carried out, but a replay needs them.
        if workflow.patched(Patch.DRAIN_DEADLINE):
            self._enter(State.REQUESTED)
        return True

    def _resume(self) -> None:
        self._enter(State.RUNNING)

    def _enter(self, state: State) -> None:
        if state not in TRANSITIONS[self._state]:
            raise RuntimeError(f"a run cannot go from {self._state.name} to {state.name}")
        self._state = state
        self._update_gates()

    def _update_gates(self) -> None:
        # The order is that in which waiting coroutines are woken, so it is part of the replayed behaviour.
        _set_gate(self._unfrozen, is_open=self._state in (State.RUNNING, State.DRAINING))
        _set_gate(self._admission, is_open=not self.is_draining)

    # What nodes and walks call.

    @contextlib.asynccontextmanager
    async def working(self, node_id: str) -> AsyncIterator[continuation_pb2.OpenNode]:
        """Run the block as soon as the node may start; yield its progress, which the node fills in."""
        if self._run_state.may_be_delayed(node_id):
            await self._wait_to_start(node_id)
        try:
            with self._run_state.opened(node_id) as progress:
                yield progress
        finally:
            self._idle.pop(node_id, None)

    async def _wait_to_start(self, node_id: str) -> None:
        """Return when a node may start, or when a node that was sleeping is cancelled.

        Such a node has been reported as running, so it must start in order to report that it was aborted.

        Raises:
            asyncio.CancelledError: a new node was cancelled.
        """
        try:
            await self.wait_for_admission()
        except asyncio.CancelledError:
            if not self._run_state.has_slept(node_id) or not workflow.patched(Patch.STOPPED_SLEEPERS_REPORT):
                raise
            if task := asyncio.current_task():
                task.cancel()  # The cancellation was consumed here; this repeats it at the node's next await.

    async def wait_for_admission(self) -> None:
        """Return when nodes and attempts may start."""
        # A loop: the run can drain again between the moment the gate opens and the one this coroutine is resumed.
        while not self._admission.is_set():
            await self._admission.wait()

    @contextlib.asynccontextmanager
    async def idle(self, node_id: str, *, timer: bool = False) -> AsyncIterator[None]:
        """Count a node as idle while the block runs: the next run can wait in its place.

        ``timer``: the node waits for time to pass.
        """
        if not self._run_state.is_open(node_id):
            yield
            return
        self._idle[node_id] = None
        try:
            yield
            if not self._unfrozen.is_set():
                # The next run sees by itself that time has passed. Anything else that happened is in no snapshot.
                self._snapshot.is_stale |= not timer
                await self._unfrozen.wait()
        finally:
            self._idle.pop(node_id, None)

    @contextlib.contextmanager
    def postponed(self) -> Iterator[None]:
        """Postpone continue-as-new while the block runs: another run could not continue it."""
        self._postponements += 1
        self._update_gates()
        try:
            yield
        finally:
            self._postponements -= 1
            self._update_gates()

    # What the run itself does.

    async def watch(self) -> None:
        """Request continue-as-new when the history has grown long; return once it is requested."""
        while True:
            await workflow.wait_condition(lambda: self._length() >= self._limit)
            self._start_draining()
            try:
                if await self._try_to_request():
                    return
            except (TimeoutError, FailureError):
                self._limit = self._length() + self._events // RETRY_FRACTION
            finally:
                if self._state is not State.REQUESTED:
                    self._resume()

    def _length(self) -> int:
        """Return the length of the history in events, or its size in units of ``EVENT_BYTES`` if that is more."""
        info = workflow.info()
        return max(info.get_current_history_length(), info.get_current_history_size() // EVENT_BYTES)

    async def _try_to_request(self) -> bool:
        """Drain, store the state and request continue-as-new; return False if the walk is ending anyway.

        Raises:
            TimeoutError: ``DRAIN_TIMEOUT`` has passed, and this is not the last chance.
            FailureError: the state cannot be stored.
        """
        if self._limit >= LAST_CHANCE * self._events:
            return await self._drain()
        if workflow.patched(Patch.DRAIN_DEADLINE):
            return await deadlines.within(DRAIN_TIMEOUT, self._drain())
        # Runs from before the patch count the timeout anew in every round, and only while nodes are not idle.
        return await self._drain(DRAIN_TIMEOUT)

    async def _drain(self, idle_timeout: timedelta | None = None) -> bool:
        while True:
            await workflow.wait_condition(self._is_idle, timeout=idle_timeout, timeout_summary="continue as new")
            # Events are not part of the state, so admin must have them before the run ends.
            await self._reports.flush()
            if not self._is_idle():
                continue
            self._freeze()
            request = ContinueAsNewRequested(await self._run_state.next_argument())
            if self._is_snapshot_current():
                return self._request(request)
            self._unfreeze()

    def _is_idle(self) -> bool:
        return self._postponements == 0 and len(self._idle) == self._run_state.open_count

    def _is_snapshot_current(self) -> bool:
        return self._is_idle() and not self._snapshot.is_stale and self._reports.added == self._snapshot.reported


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


def _set_gate(gate: asyncio.Event, *, is_open: bool) -> None:
    if is_open:
        gate.set()
    else:
        gate.clear()
