"""Time limits whose clocks stand still while a pause applies to them.

A limit counts from a time in the state of the run. Each pause moves that time by its length, so that the next run
finds what is left of the limit as well.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Iterator
from datetime import timedelta
from typing import TypeVar

from google.protobuf import timestamp_pb2
from temporalio import workflow

from flytetemporal.contracts.v1 import continuation_pb2
from flytetemporal.idl import times
from flytetemporal.workflows import deadlines
from flytetemporal.workflows.operators.pauses import Path, Pauses

T = TypeVar("T")


class Clock:
    """The clock of one limit, for the node with ``path``.

    ``since``, when it started, and ``stopped``, which pauses set, are messages in the state of the run.
    """

    def __init__(
        self, pauses: Pauses, path: Path, since: timestamp_pb2.Timestamp, stopped: continuation_pb2.StoppedClock
    ) -> None:
        self._pauses = pauses
        self._path = path
        self._since = since
        self._stopped = stopped

    async def within(self, limit: timedelta, work: Awaitable[T]) -> T:
        """Return what ``work`` returns; zero means no limit.

        Raises:
            TimeoutError: the limit has passed on this clock; ``work`` was cancelled and has ended.
        """
        if limit:
            self._adjust()
        running = functools.partial(self._running, limit)
        return await deadlines.within(deadlines.left(limit, self._since), work, running)

    @contextlib.contextmanager
    def _running(self, limit: timedelta, timeout: asyncio.Timeout) -> Iterator[None]:
        """Move ``timeout`` as pauses begin and end while the block runs."""

        def move() -> None:
            is_stopped = self._stopped.HasField("at")
            self._adjust()
            if is_stopped == self._stopped.HasField("at") or timeout.expired():
                return
            left = deadlines.left(limit, self._since).total_seconds()
            loop = asyncio.get_running_loop()
            timeout.reschedule(None if self._stopped.HasField("at") else loop.time() + left)

        if self._stopped.HasField("at"):
            timeout.reschedule(None)
        with self._pauses.followed(move):
            yield

    def _adjust(self) -> None:
        """Stop the clock if a pause applies; otherwise let it continue from where it stopped."""
        is_paused = self._pauses.blocking(self._path) is not None
        if is_paused and not self._stopped.HasField("at"):
            self._stopped.at.CopyFrom(times.timestamp(workflow.now()))
        elif not is_paused and self._stopped.HasField("at"):
            paused = workflow.now() - times.moment(self._stopped.at)
            self._since.CopyFrom(times.timestamp(times.later(times.moment(self._since), paused)))
            self._stopped.ClearField("at")
