"""A bound on the work of one workflow task.

Temporal's SDK treats a workflow task that does not yield for two seconds as deadlocked, and the server refuses one with
too many commands. Three quotas bound it:

* Turns, for nodes that need no activity. They are renewed when the event pump's activity has completed, which is
  always a new workflow task.
* Steps, for everything that thousands of nodes can do at once: start, wake, stop. They are renewed at the same time or,
  if that takes longer, by a short timer.
* Milliseconds of lookups of cached outputs. A lookup is a local activity: it lengthens the workflow task, and holds up
  all its commands. Each workflow task has its own; what waits for them is woken when the steps are renewed.

Nothing here reads the clock, so a replay makes the same choices.
"""

import asyncio
from collections import deque
from datetime import timedelta

from temporalio import workflow

from flytetemporal.workflows.versions import Patch

TURNS = 400
STEPS = 200
LOOKUP_MILLISECONDS = 400
RENEWAL_INTERVAL = timedelta(milliseconds=10)


class _Quota:
    """At most ``limit`` permits between two calls of ``renew``, first come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = limit
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def has_waiters(self) -> bool:
        return bool(self._waiting)

    def try_take(self) -> bool:
        """Take a permit if one is left; return whether there was one."""
        if self._left > 0:
            self._left -= 1
            return True
        return False

    async def take(self) -> None:
        if self.try_take():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def spend(self, permits: int) -> None:
        """Take permits, as far as there are any."""
        self._left = max(0, self._left - permits)

    def renew(self) -> None:
        self._left = self._limit
        while self._waiting and self._left > 0:
            future = self._waiting.popleft()
            if not future.done():  # A waiter that was cancelled takes no permit.
                self._left -= 1
                future.set_result(None)


class WorkflowTaskBudget:
    """At most ``turns`` turns, ``steps`` steps and ``lookups`` milliseconds of lookups between two renewals."""

    def __init__(self, turns: int = TURNS, steps: int = STEPS, lookups: int = LOOKUP_MILLISECONDS) -> None:
        self._turns = _Quota(turns)
        self._steps = _Quota(steps)
        self._lookups = _Quota(lookups)
        self._task_of_lookups = -1
        self._renewal: asyncio.Task[None] | None = None

    async def take_turn(self) -> None:
        """Return at once while turns are left, otherwise after the first renewal that has one."""
        await self._turns.take()

    async def take_step(self) -> None:
        """Return at once while steps are left, otherwise after the first renewal that has one."""
        if self.try_take_step():
            return
        self._start_renewal()
        await self._steps.take()

    def try_take_step(self) -> bool:
        """Take a step if one is left; return whether there was one. Otherwise call ``take_step``."""
        # The marker is requested only when the steps are used up: small executions never record it.
        return self._steps.try_take() or not workflow.patched(Patch.WORKFLOW_TASK_STEPS)

    async def take_lookup(self) -> None:
        """Return at once if the workflow task has time left for a lookup, otherwise after the next renewal."""
        self._renew_lookups()
        if not self._lookups.try_take():
            self._start_renewal()
            await self._lookups.take()

    def spend_lookup(self, milliseconds: int) -> None:
        """Count the time that a lookup has taken."""
        self._renew_lookups()
        self._lookups.spend(milliseconds)

    def end_lookups(self) -> None:
        """Allow no more lookups in this workflow task, so that they do not hold up a command any longer."""
        self.spend_lookup(LOOKUP_MILLISECONDS)

    def _renew_lookups(self) -> None:
        # The length of the history grows only between workflow tasks, so it identifies the current one on replay too.
        task = workflow.info().get_current_history_length()
        if task != self._task_of_lookups:
            self._task_of_lookups = task
            self._lookups.renew()

    @property
    def has_waiters(self) -> bool:
        """Whether a coroutine waits for the next renewal."""
        return self._turns.has_waiters or self._steps.has_waiters or self._lookups.has_waiters

    def renew(self) -> None:
        """Start all quotas anew: a new workflow task has begun."""
        self._turns.renew()
        self._renew_timed()

    def _renew_timed(self) -> None:
        self._steps.renew()
        self._lookups.renew()

    def _start_renewal(self) -> None:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew_steps())

    async def _renew_steps(self) -> None:
        """Renew steps and lookups in one workflow task after another while coroutines wait for them."""
        while True:
            await workflow.sleep(RENEWAL_INTERVAL, summary="pause between many nodes")
            self._renew_timed()
            if not self._steps.has_waiters and not self._lookups.has_waiters:
                self._renewal = None
                return
