"""Send the events of a task attempt to admin while the task runs; those not sent return with the activity's result."""

import asyncio
import functools
from collections.abc import Sequence
from datetime import UTC, datetime

from flytetemporal.activities import events
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_events import AttemptEvents, ElementEvents
from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.plugins.protocol import PhaseInfo
from flytetemporal.plugins.transient import retry_transient

# How long events wait for others before they are sent. Those of a shorter task cost no call (docs/decisions/0006).
GATHER_SECONDS = 0.2


class TaskReports:
    """The reports of one execution of the activity."""

    def __init__(self, sink: events.EventSink, attempt: Attempt) -> None:
        self._sink = sink
        kind = ElementEvents if attempt.is_element else AttemptEvents
        self._events = kind(attempt.request, attempt.task, memory=attempt.shown_memory)
        self._unsent: list[events_pb2.Event] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._is_first = True

    def name_plugin(self, identifier: str) -> None:
        """Set the plugin that all further events name."""
        self._events.plugin = identifier

    def report(self, info: PhaseInfo) -> None:
        """Send the events of a phase soon, in the background."""
        now = datetime.now(UTC)
        self._unsent.extend(self._events.running(info, now) if self._is_first else [self._events.phase(info, now)])
        self._is_first = False
        if self._timer is None and (self._sending is None or self._sending.done()):
            # No task before there is something to do: most attempts have ended by then.
            self._timer = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._start)

    def _start(self) -> None:
        self._timer = None
        self._sending = asyncio.create_task(self._send())

    def stop(self) -> None:
        """Stop sending."""
        if self._timer is not None:
            self._timer.cancel()
        if self._sending is not None:
            self._sending.cancel()

    async def attach(self, result: execution_pb2.TaskAttemptResult, *, aborted: bool = False) -> None:
        """Stop sending, and attach to ``result`` all events that admin may not have, with that of the end."""
        now = datetime.now(UTC)
        end = self._events.aborted(now) if aborted else self._events.ended(result, now)
        result.unreported.extend([*await self._take_unsent(), end])

    async def _take_unsent(self) -> Sequence[events_pb2.Event]:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._sending is not None:
            # A cancelled call may or may not have reached admin. Its events return to ``_unsent``: repeating an event
            # changes nothing.
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        unsent, self._unsent = self._unsent, []
        return unsent

    async def _send(self) -> None:
        while self._unsent:  # What is reported during a call follows it.
            batch, self._unsent = self._unsent, []
            try:
                await retry_transient(functools.partial(events.send, self._sink, batch), "events")
            except BaseException:
                self._unsent = [*batch, *self._unsent]
                raise
