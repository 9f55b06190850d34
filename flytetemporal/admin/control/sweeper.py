"""One round of the sweeper: compare what is recorded with what runs, and repair both.

Nothing here is needed while all goes well. Each repair may be repeated, by several sweepers at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import sweep_ended, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.errors import FlyteError

# A row this young is still in the hands of the call that made it.
MIN_AGE = timedelta(seconds=30)
HEARTBEAT_SECONDS = 3.0
# Listing every open workflow is dear.
ROUNDS_BETWEEN_LISTS = 6

_log = structlog.get_logger(__name__)


class SweeperActivities:
    """``sweep`` of ``contracts/activities``."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        # At our own start nobody else is starting anything.
        self._min_age = timedelta()

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.sweep]

    @activity.defn
    async def sweep(self, state: control_pb2.SweepState) -> control_pb2.SweepResult:
        """Compare what is recorded with what runs, and repair both."""
        beating = asyncio.create_task(_beat())
        try:
            return await self._round(state)
        finally:
            beating.cancel()

    async def _round(self, state: control_pb2.SweepState) -> control_pb2.SweepResult:
        deps, findings = self._deps, Findings()
        min_age, self._min_age = self._min_age, MIN_AGE
        await _attempt(sweep_pending.start_recorded(deps, findings, min_age))
        await _attempt(sweep_pending.deliver_aborts(deps, findings, min_age))
        await _attempt(sweep_pending.deliver_signals(deps, findings))
        await _attempt(sweep_ended.abort_orphans(deps, findings))
        compared = await _attempt(sweep_ended.close_ended(deps, findings, state.compared_row))
        if state.rounds % ROUNDS_BETWEEN_LISTS == 0:
            await _attempt(sweep_ended.end_finished(deps, findings))
        following = control_pb2.SweepState(
            compared_row=state.compared_row if compared is None else compared, rounds=state.rounds + 1
        )
        return control_pb2.SweepResult(state=following, findings=findings.counts)


async def _beat() -> None:
    while activity.in_activity():
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _attempt(part: Awaitable[Any]) -> Any:
    """Return what a part of the round returns; one that fails leaves the others their turn."""
    try:
        return await part
    except FlyteError as e:
        _log.warning("sweep_failed", part=getattr(part, "__name__", ""), error=str(e))
    except Exception:
        _log.exception("sweep_failed", part=getattr(part, "__name__", ""))
    return None
