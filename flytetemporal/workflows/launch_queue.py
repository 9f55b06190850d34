"""The nodes of one level that are about to begin, or that sleep: a few at a time go on, and sleepers take little room.

What begins takes a step of the run's ``Pace`` first. What sleeps among many others is suspended (see
``node/suspension``) and begins again, as a node of a continued run would, when it wakes.
"""

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google.protobuf import timestamp_pb2
from temporalio import workflow

from flytetemporal.idl import times
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.run import Run
from flytetemporal.workflows.node.suspension import NodeSuspended
from flytetemporal.workflows.throttling.shared_timers import Alarm


@dataclass(frozen=True, slots=True)
class Sleeper:
    """A parked node. ``since`` it sleeps; ``report_aborted`` reports of its task when it is stopped."""

    alarm: Alarm
    until: timestamp_pb2.Timestamp
    since: timestamp_pb2.Timestamp
    report_aborted: Callable[[NodeRun], None]


class Crowd:
    """``node_id`` and ``start`` take the position of a node in its level; ``start`` runs it."""

    def __init__(self, run: Run, node_id: Callable[[int], str], start: Callable[[int], None]) -> None:
        self._run = run
        self._node_id = node_id
        self._start = start
        self._ready: deque[int] = deque()
        self._feeder: asyncio.Task[None] | None = None
        self._sleepers: dict[int, Sleeper] = {}
        self._closed = False

    @property
    def sleepers(self) -> Mapping[int, Sleeper]:
        """What is parked, by position."""
        return self._sleepers

    @property
    def is_empty(self) -> bool:
        """Nothing sleeps, and nothing waits to begin."""
        return not self._sleepers and not self._ready

    def launch(self, position: int) -> None:
        """Start a node, now or, when many others do, soon."""
        may_tarry = self._run.continuation.may_tarry(self._node_id(position))
        if not may_tarry or (self._feeder is None and self._run.pace.has_step()):
            self._begin(position)
        else:
            self._ready.append(position)
            if self._feeder is None:
                self._feeder = asyncio.create_task(self._feed())

    async def _feed(self) -> None:
        while self._ready:
            await self._run.pace.step()
            self._begin(self._ready.popleft())
        self._feeder = None

    def _begin(self, position: int) -> None:
        self._sleepers.pop(position, None)
        self._start(position)

    def close(self) -> None:
        """Let nothing begin or wake any more."""
        self._closed = True
        if self._feeder is not None:
            self._feeder.cancel()

    def park(self, position: int, parked: NodeSuspended) -> None:
        """Keep a node that sleeps until it wakes."""
        left = times.moment(parked.until) - workflow.now()
        alarm = self._run.alarms.call(left, functools.partial(self._wake, position))
        self._sleepers[position] = Sleeper(alarm, parked.until, runs.now(), parked.report_aborted)

    def _wake(self, position: int) -> None:
        if not self._closed:
            self.launch(position)

    async def dismiss_all(self, tell: Callable[[int, Sleeper], None]) -> None:
        """Forget all that sleep; ``tell`` reports that they were stopped. What slept in the run before tells itself."""
        for position in sorted(self._sleepers):
            await self._run.pace.step()
            self.dismiss(position, tell)
        for position in self._ready:
            if self._run.continuation.has_slept(self._node_id(position)):
                await self._run.pace.step()
                self._start(position)

    def dismiss(self, position: int, tell: Callable[[int, Sleeper], None]) -> None:
        """Forget one that sleeps."""
        sleeper, node_id = self._sleepers.pop(position), self._node_id(position)
        self._run.alarms.forget(sleeper.alarm)
        self._run.parallelism.give_back(node_id)
        self._run.continuation.forget(node_id)
        tell(position, sleeper)
