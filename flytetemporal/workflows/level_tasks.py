"""The coroutines of one level's nodes: start, suspend and stop them.

Nodes are stopped in order of position, a few per workflow task, and each reports its own end before ``stop`` returns.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from temporalio import workflow

from flytetemporal.workflows import cancellation, node_lifecycle
from flytetemporal.workflows.abort import Abort
from flytetemporal.workflows.launch_queue import LaunchQueue, SuspendedNode
from flytetemporal.workflows.node.node_run import node_run
from flytetemporal.workflows.node.outcomes import Values
from flytetemporal.workflows.node.run import Scope
from flytetemporal.workflows.node.suspension import NodeSuspended
from flytetemporal.workflows.versions import Patch


class LevelTasks:
    """The tasks of one level by position; ``run_node`` runs the node at a position."""

    def __init__(self, scope: Scope, abort: Abort, run_node: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        self._scope = scope
        self._abort = abort
        self._run_node = run_node
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._launch_queue = LaunchQueue(scope.run, self._node_id, self._start)
        self._failure_node: asyncio.Task[Values] | None = None
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """Whether the nodes are being stopped or have been."""
        return self._is_stopping

    @property
    def suspended(self) -> Mapping[int, SuspendedNode]:
        """The suspended nodes by position."""
        return self._launch_queue.suspended

    def running(self) -> list[str]:
        """Return the ids of the nodes that run or are suspended, in order of position."""
        return [self._node_id(position) for position in sorted([*self._tasks, *self.suspended])]

    def launch(self, position: int) -> None:
        """Start a node, now or, when many others start, soon."""
        self._launch_queue.launch(position)

    def close(self) -> None:
        """Start and wake no more nodes."""
        self._launch_queue.close()

    def add_failure_node(self, task: asyncio.Task[Values]) -> None:
        """Let ``stop`` stop the level's failure node as well."""
        self._failure_node = task

    def _start(self, position: int) -> None:
        self._tasks[position] = asyncio.create_task(self._run(position))

    async def _run(self, position: int) -> None:
        try:
            await self._run_node(position)
        finally:
            self._tasks.pop(position, None)

    def suspend(self, position: int, suspended: NodeSuspended) -> None:
        """Keep a node whose coroutine ends until the node wakes."""
        self._launch_queue.suspend(position, suspended)
        if self._is_stopping:  # It fell asleep after the suspended nodes were discarded.
            self._launch_queue.discard(position, self._report_stopped)

    async def stop(self) -> None:
        """Stop all nodes and return when each has ended and reported it, even if cancelled in the meantime."""
        self._is_stopping = True
        # Requested here, whatever runs: whether a node is due can depend on the order of callbacks, which differs
        # between versions of Python, and a marker must not.
        starts_due_nodes = workflow.patched(Patch.STOPPED_SLEEPERS_REPORT)
        self._launch_queue.close()
        try:
            if not self._launch_queue.is_empty:
                discarding = asyncio.create_task(self._launch_queue.discard_all(self._report_stopped))
                await cancellation.wait_until_done([discarding])
        finally:
            await self._stop_running(starts_due_nodes=starts_due_nodes)

    async def _stop_running(self, *, starts_due_nodes: bool) -> None:
        tasks: list[asyncio.Task[None] | asyncio.Task[Values]] = [
            self._tasks[position] for position in sorted(self._tasks)
        ]
        if self._failure_node is not None:
            tasks.append(self._failure_node)
        try:
            if starts_due_nodes:
                await self._let_due_nodes_start()
        finally:
            await cancellation.cancel_and_wait(tasks, self._scope.run.workflow_task_budget)

    async def _let_due_nodes_start(self) -> None:
        """Let nodes that were started in this pass of the event loop run until their first await, if any has to report.

        A task that is cancelled before it has started does not run a single line, so it could not report its end.
        """
        if any(self._scope.run.state.is_due(self._node_id(position)) for position in self._tasks):
            await cancellation.wait_until_done([asyncio.create_task(asyncio.sleep(0))])

    def _report_stopped(self, position: int, suspended: SuspendedNode) -> None:
        node = node_run(self._scope, self._scope.body.nodes[position])
        suspended.report_aborted(node)
        node_lifecycle.report_aborted(node, self._abort)

    def _node_id(self, position: int) -> str:
        return self._scope.node_id(self._scope.body.nodes[position].id)
