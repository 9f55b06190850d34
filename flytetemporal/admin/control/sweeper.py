"""One round of the sweeper: compare the recorded executions with the running workflows, and repair both sides.

While nothing fails the sweeper finds nothing. Every repair is idempotent, so two sweepers may run at once.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity  # Temporal finds an activity by this decorator; all calls go through base/engine.

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import sweep_ended, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.schedules import reconciliation
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.errors import FlyteError

# A younger row may still be in the hands of the call that recorded it.
MIN_AGE = timedelta(seconds=30)
# Only one round in this many lists open workflows and schedules: Temporal's visibility store makes that expensive.
ROUNDS_BETWEEN_LISTS = 6

_log = structlog.get_logger(__name__)


class SweeperActivities:
    """The implementation of the activity ``sweep`` of ``contracts/activities``."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        # The calls of an earlier process died with it, so the first round need not leave young rows to them.
        self._min_age = timedelta()

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.sweep]

    @activity.defn
    async def sweep(self, state: control_pb2.SweepState) -> control_pb2.SweepResult:
        """Run one round; return its findings and the state of the next round."""
        deps, findings = self._deps, Findings()
        min_age, self._min_age = self._min_age, MIN_AGE
        await _attempt(sweep_pending.start_recorded(deps, findings, min_age))
        await _attempt(sweep_pending.deliver_aborts(deps, findings, min_age))
        await _attempt(sweep_pending.deliver_signals(deps, findings))
        await _attempt(sweep_pending.deliver_pauses(deps, findings))
        await _attempt(sweep_ended.abort_orphans(deps, findings))
        compared = await _attempt(sweep_ended.close_ended(deps, findings, state.compared_row))
        if state.rounds % ROUNDS_BETWEEN_LISTS == 0:
            await _attempt(sweep_ended.end_finished(deps, findings))
            await _attempt(_repair_schedules(deps, findings))
        following = control_pb2.SweepState(
            compared_row=state.compared_row if compared is None else compared, rounds=state.rounds + 1
        )
        return control_pb2.SweepResult(state=following, findings=findings.counts)


async def _repair_schedules(deps: Dependencies, findings: Findings) -> None:
    for schedule in await reconciliation.apply_all(deps):
        findings.add("schedule_repaired", schedule=schedule)


async def _attempt(part: Awaitable[Any]) -> Any:
    """Return the result of a part of the round; None if it failed, so that the other parts still run."""
    try:
        return await part
    except FlyteError as e:
        _log.warning("sweep_failed", part=getattr(part, "__name__", ""), error=str(e))
    except Exception:
        _log.exception("sweep_failed", part=getattr(part, "__name__", ""))
    return None
