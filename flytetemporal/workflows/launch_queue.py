"""The nodes of one level that are ready to start or that are suspended.

A node takes a step of the run's ``WorkflowTaskBudget`` before it starts. A node that sleeps among many others is
suspended (see ``node/suspension``) and starts again when it wakes, as a node of a continued run would.
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
from flytetemporal.workflows.throttling.shared_timers import ScheduledCall


@dataclass(frozen=True, slots=True)
class SuspendedNode:
    """A node that sleeps without a coroutine. ``report_aborted`` reports the end of its task if it is stopped."""

    wake_call: ScheduledCall
    until: timestamp_pb2.Timestamp
    since: timestamp_pb2.Timestamp
    report_aborted: Callable[[NodeRun], None]


class LaunchQueue:
    """Starts nodes a few at a time. ``node_id`` and ``start`` take a node's position; ``start`` runs the node."""

    def __init__(self, run: Run, node_id: Callable[[int], str], start: Callable[[int], None]) -> None:
        self._run = run
        self._node_id = node_id
        self._start = start
        self._ready: deque[int] = deque()
        self._feeder: asyncio.Task[None] | None = None
        self._suspended: dict[int, SuspendedNode] = {}
        self._closed = False

    @property
    def suspended(self) -> Mapping[int, SuspendedNode]:
        """The suspended nodes by position."""
        return self._suspended

    @property
    def is_empty(self) -> bool:
        """Whether no node is suspended and none waits to start."""
        return not self._suspended and not self._ready

    def launch(self, position: int) -> None:
        """Start a node: at once if it may not be delayed or a step is left, otherwise after those that wait already."""
        may_be_delayed = self._run.state.may_be_delayed(self._node_id(position))
        # While the feeder runs, others wait: a step that happens to be left is theirs.
        if not may_be_delayed or (self._feeder is None and self._run.workflow_task_budget.try_take_step()):
            self._start_now(position)
        else:
            self._ready.append(position)
            if self._feeder is None:
                self._feeder = asyncio.create_task(self._feed())

    async def _feed(self) -> None:
        while self._ready:
            await self._run.workflow_task_budget.take_step()
            self._start_now(self._ready.popleft())
        self._feeder = None

    def _start_now(self, position: int) -> None:
        self._suspended.pop(position, None)
        self._start(position)

    def close(self) -> None:
        """Start and wake no more nodes."""
        self._closed = True
        if self._feeder is not None:
            self._feeder.cancel()

    def suspend(self, position: int, node: NodeSuspended) -> None:
        """Keep a node until it wakes."""
        left = times.moment(node.until) - workflow.now()
        wake_call = self._run.shared_timers.call_later(left, functools.partial(self._wake, position))
        self._suspended[position] = SuspendedNode(wake_call, node.until, runs.now(), node.report_aborted)

    def _wake(self, position: int) -> None:
        if not self._closed:
            self.launch(position)

    async def discard_all(self, report_stopped: Callable[[int, SuspendedNode], None]) -> None:
        """Discard all suspended nodes, in order of position, and start what has to report its own end.

        ``report_stopped`` is called for each discarded node. A node that waits to start after it slept in the previous
        run has no ``SuspendedNode`` to report with; it starts so that its cancellation reaches it and it reports.
        """
        for position in sorted(self._suspended):
            await self._run.workflow_task_budget.take_step()
            self.discard(position, report_stopped)
        for position in self._ready:
            if self._run.state.has_slept(self._node_id(position)):
                await self._run.workflow_task_budget.take_step()
                self._start(position)

    def discard(self, position: int, report_stopped: Callable[[int, SuspendedNode], None]) -> None:
        """Discard one suspended node with all that it holds."""
        node, node_id = self._suspended.pop(position), self._node_id(position)
        self._run.shared_timers.cancel(node.wake_call)
        self._run.parallelism.give_back(node_id)
        self._run.state.forget(node_id)
        report_stopped(position, node)
