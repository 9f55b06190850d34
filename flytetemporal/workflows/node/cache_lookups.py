"""Lookups of cached outputs: one local activity for all attempts that are ready in the same workflow task.

An attempt whose outputs are found needs no activity of its own. Nothing depends on a lookup: if it fails or is slow,
the activities of attempts look by themselves, and there are no lookups for a while.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import caching_pb2, execution_pb2
from flytetemporal.workflows.throttling.payload_budget import PayloadBudget
from flytetemporal.workflows.throttling.workflow_task_budget import WorkflowTaskBudget

# Attempts of one lookup: what the catalog takes in one call.
MOST = 100
# The workflow task waits for a lookup, and no command of it is carried out before.
TIMEOUT = timedelta(seconds=3)
ONCE = RetryPolicy(maximum_attempts=1)
# A lookup that takes longer holds up other nodes for too long.
SLOW_MILLISECONDS = 1000
# How long there are no lookups after one that has failed or was slow.
PAUSE = timedelta(seconds=30)

UNKNOWN = caching_pb2.FoundOutput()
"""What a lookup returns that has found out nothing: the attempt has to look by itself."""


@dataclass(slots=True, eq=False)
class _Queued:
    """An attempt that waits for its lookup."""

    attempt: execution_pb2.TaskAttempt
    found: "asyncio.Future[caching_pb2.FoundOutput]"

    def end(self, found: caching_pb2.FoundOutput) -> None:
        """Set the outcome, unless the node was stopped."""
        if not self.found.done():
            self.found.set_result(found)


class CacheLookups:
    """The lookups of one run."""

    def __init__(self, budget: WorkflowTaskBudget, payload_budget: PayloadBudget) -> None:
        self._budget = budget
        self._payload_budget = payload_budget
        self._queue: list[_Queued] = []
        self._running: asyncio.Task[None] | None = None
        self._paused_until: datetime | None = None

    async def find(self, attempt: execution_pb2.TaskAttempt) -> caching_pb2.FoundOutput:
        """Look up the outputs of an attempt."""
        if self._is_paused():
            return UNKNOWN
        queued = _Queued(attempt, asyncio.get_running_loop().create_future())
        self._queue.append(queued)
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await queued.found

    def _is_paused(self) -> bool:
        return self._paused_until is not None and workflow.now() < self._paused_until

    async def _run(self) -> None:
        """Look up what is queued, one batch after the other."""
        while self._queue:
            # Conditions are checked when no coroutine can continue: by then all nodes that are ready have queued.
            await workflow.wait_condition(lambda: True)
            await self._budget.take_lookup()
            batch, self._queue = self._queue[:MOST], self._queue[MOST:]
            await self._look_up([queued for queued in batch if not queued.found.done()])
            if self._is_paused():
                for queued in self._queue:
                    queued.end(UNKNOWN)
                self._queue.clear()
        self._running = None

    async def _look_up(self, batch: Sequence[_Queued]) -> None:
        if not batch:  # All of them were stopped.
            return
        found = await self._found(caching_pb2.Lookups(attempts=[queued.attempt for queued in batch]))
        self._budget.spend_lookup(found.milliseconds)
        if len(found.attempts) != len(batch) or found.milliseconds > SLOW_MILLISECONDS:
            self._paused_until = workflow.now() + PAUSE
        for position, queued in enumerate(batch):
            queued.end(found.attempts[position] if position < len(found.attempts) else UNKNOWN)
        # The result is part of what the workflow task sends.
        await self._payload_budget.reserve(found.ByteSize())

    async def _found(self, lookups: caching_pb2.Lookups) -> caching_pb2.FoundOutputs:
        try:
            return await workflow.execute_local_activity(
                activities.look_up_outputs, lookups, start_to_close_timeout=TIMEOUT, retry_policy=ONCE
            )
        except FailureError:
            return caching_pb2.FoundOutputs()
