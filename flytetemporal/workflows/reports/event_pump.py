"""The event pump: sends node and workflow phases to admin, in order, in few activities.

At most one ``record_events`` activity is in flight. It takes all entries that have accumulated, so a thousand changes
cost a handful of activities. While changes keep coming, an activity starts ``LINGER`` after the previous one. Files of
nodes that ran without an activity are sent with their events, and the activity writes them first. The last report, when
the run has nothing else to do, is a local activity first.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from flyteidl.core import literals_pb2
from flyteidl.event import event_pb2
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.reports.event_clock import EventClock
from flytetemporal.workflows.throttling.workflow_task_budget import WorkflowTaskBudget
from flytetemporal.workflows.versions import Patch

# A report stays under the size at which Temporal warns (512 kB); one entry alone is at most an inline map.
REPORT_BYTES = 384 * 1024
# Each report costs an activity, so changes are collected; clients may see state that is this much out of date.
LINGER = timedelta(milliseconds=300)
# After LINGER the report is sent as soon as anything wakes the run. This timer wakes it if nothing else does; it
# is longer because a timer that fires costs a workflow task.
LONGEST_LINGER = timedelta(seconds=1)

# A workflow task waits for the last report, and no longer than this: it keeps a slot of the worker.
LAST_REPORT_TIMEOUT = timedelta(seconds=10)
ONCE = RetryPolicy(maximum_attempts=1)

EXECUTION_NOT_FOUND = "ExecutionNotFound"

# A file, or an event and its delay (``EventClock.delay``).
Entry = execution_pb2.StoredLiterals | tuple[events_pb2.Event, int]


class Reports:
    """Collects entries and sends them; ``close`` returns when admin has them all."""

    def __init__(self, budget: WorkflowTaskBudget, clock: EventClock) -> None:
        self._budget = budget
        self._clock = clock
        self._entries: deque[Entry] = deque()
        self._in_flight = False
        # Numbers of entries that were added, and that were sent or refused.
        self._added = 0
        self._taken = 0
        self._closing = False
        self._flushes = 0
        self._quiet_until: datetime | None = None
        self._lost = False
        self._refusal: tuple[str, str] | None = None
        self._refusal_callback: Callable[[str, str], None] | None = None
        self._pump: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the pump."""
        self._pump = asyncio.create_task(self._run())

    def on_refusal(self, callback: Callable[[str, str], None]) -> None:
        """Call ``callback`` with code and text when admin refuses events, at once if it already has."""
        self._refusal_callback = callback
        if self._refusal is not None:
            callback(*self._refusal)

    def write(self, uri: str, literals: literals_pb2.LiteralMap) -> None:
        """Write a literal map before the events that follow."""
        self._add(execution_pb2.StoredLiterals(uri=uri, literals=literals))

    def workflow(self, event: event_pb2.WorkflowExecutionEvent) -> None:
        """Report a phase of the execution."""
        self._add((events_pb2.Event(workflow=event), self._clock.delay(event.occurred_at)))

    def node(self, event: event_pb2.NodeExecutionEvent) -> None:
        """Report a phase of a node."""
        self._add((events_pb2.Event(node=event), self._clock.delay(event.occurred_at)))

    def task(self, event: event_pb2.TaskExecutionEvent) -> None:
        """Report a phase of a task that ran without an activity."""
        self._add((events_pb2.Event(task=event), self._clock.delay(event.occurred_at)))

    def forward(self, events: Iterable[events_pb2.Event]) -> None:
        """Report events that an activity returned. Their times are those of the activity's clock."""
        for event in events:
            self._add((event, 0))

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._added += 1

    @property
    def added(self) -> int:
        """The number of entries so far."""
        return self._added

    async def wait_until_sent(self) -> None:
        """Return when all entries so far have been sent; unlike ``flush``, leave the pump time to collect more."""
        number = self._added
        await workflow.wait_condition(lambda: self._taken >= number)

    async def flush(self) -> None:
        """Return when all entries have been sent, without waiting for more to accumulate."""
        self._flushes += 1
        try:
            await workflow.wait_condition(lambda: not self._entries and not self._in_flight)
        finally:
            self._flushes -= 1

    async def close(self) -> None:
        """Send the remaining entries and stop the pump."""
        self._closing = True
        if self._pump is not None:
            await self._pump

    async def _run(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._entries) or self._closing)
            if not self._entries:
                return
            await self._linger()
            report = self._take()
            self._in_flight = True
            try:
                await self._send(report)
            finally:
                self._in_flight = False
                self._taken += len(report.files) + len(report.events)
            self._quiet_until = workflow.now() + LINGER
            self._budget.renew()  # The activity's completion started a new workflow task.

    async def _linger(self) -> None:
        """Wait for more entries, unless a coroutine waits for those that are here."""
        if self._quiet_until is None or workflow.now() >= self._quiet_until:
            return
        quiet_until = self._quiet_until
        with contextlib.suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: self._closing or self._flushes > 0 or self._budget.has_waiters or workflow.now() >= quiet_until,
                timeout=LONGEST_LINGER,
                timeout_summary="more events to collect",
            )

    async def _send(self, report: execution_pb2.Report) -> None:
        if self._lost or await self._sent_at_the_end(report):
            return
        try:
            await engine_activities.execute(activities.record_events, report, summary=f"{len(report.events)} events")
        except ActivityError as e:
            # Temporary failures are retried without end, so this is a refusal. The execution's own phases are sent
            # anyway, by themselves and in later reports, so that its end is recorded; unless it does not exist.
            self._keep_phases(report)
            cause = e.cause
            code = cause.type if isinstance(cause, ApplicationError) and cause.type else "EventsRefused"
            self._lost = code == EXECUTION_NOT_FOUND
            self._refusal = (code, str(cause))
            if self._refusal_callback is not None:
                self._refusal_callback(*self._refusal)

    async def _sent_at_the_end(self, report: execution_pb2.Report) -> bool:
        """Send a report of a run that ends from within its workflow task; return whether that worked.

        An ordinary activity would cost another workflow task, which is most of what a short run costs Temporal.
        """
        # Nothing but this report is open, so the workflow task holds back no other command.
        if not self._closing or not workflow.patched(Patch.LAST_REPORT_IS_LOCAL):
            return False
        try:
            await workflow.execute_local_activity(
                activities.record_events, report, start_to_close_timeout=LAST_REPORT_TIMEOUT, retry_policy=ONCE
            )
        except FailureError:  # The SDK raises the error of a local activity itself, without an ActivityError.
            return False  # An ordinary activity repeats it: that can wait for admin, and says what admin refuses.
        return True

    def _keep_phases(self, refused: execution_pb2.Report) -> None:
        events = zip(refused.events, refused.event_delays, strict=True)
        phases = [(event, delay) for event, delay in events if event.HasField("workflow")]
        if len(phases) < len(refused.events):
            self._entries.extendleft(reversed(phases))
            self._added += len(phases)

    def _take(self) -> execution_pb2.Report:
        report, size = execution_pb2.Report(), 0
        while self._entries:
            entry = self._entries[0]
            # Without the delay: a replay must take the same entries.
            size += (entry[0] if isinstance(entry, tuple) else entry).ByteSize()
            if size > REPORT_BYTES and (report.events or report.files):
                break
            self._entries.popleft()
            if isinstance(entry, tuple):
                event, delay = entry
                report.events.append(event)
                report.event_delays.append(delay)
            else:
                report.files.append(entry)
        return report
