"""The sweeper: compares the recorded executions with the running workflows, and repairs both sides.

While nothing fails it finds nothing. Every repair is idempotent, so two sweepers may run at once.
"""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from temporalio import activity  # Temporal finds an activity by this decorator; all calls go through base/engine.

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.control import sweep_ended, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.executions import admission
from flytetemporal.admin.schedules import reconciliation
from flytetemporal.admin.upkeep import records
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.errors import FlyteError

NAME = "sweeper"
# A younger row may still be in the hands of the call that recorded it.
MIN_AGE = timedelta(seconds=30)

_log = structlog.get_logger(__name__)


class Sweeper:
    """The rounds of the sweeper. Those that list open workflows or schedules are apart, because they are expensive."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        # The calls of an earlier process died with it, so the first round need not leave young rows to them.
        self._min_age = timedelta()

    async def sweep(self) -> Found:
        """Repair what the rows show. A part that fails does not keep the others from their repair."""
        deps, findings = self._deps, Findings()
        min_age, self._min_age = self._min_age, MIN_AGE
        parts: list[partial[Coroutine[Any, Any, None]]] = [
            partial(sweep_pending.start_recorded, deps, findings, min_age),
            partial(sweep_pending.deliver_aborts, deps, findings, min_age),
            partial(sweep_pending.deliver_signals, deps, findings),
            partial(sweep_pending.deliver_pauses, deps, findings),
            partial(sweep_ended.abort_orphans, deps, findings),
            partial(_fill_places, deps, findings),
            partial(self._close_ended, findings),
        ]
        failed = [problem for part in parts if (problem := await _problem(part))]
        return Found(findings.counts, error="; ".join(failed))

    async def end_finished(self) -> Found:
        """End workflows whose execution has ended."""
        findings = Findings()
        await sweep_ended.end_finished(self._deps, findings)
        return Found(findings.counts)

    async def repair_schedules(self) -> Found:
        """Make the schedules in Temporal what the rows of launch plans say."""
        findings = Findings()
        for schedule in await reconciliation.apply_all(self._deps):
            findings.add("schedule_repaired", schedule=schedule)
        return Found(findings.counts)

    async def _close_ended(self, findings: Findings) -> None:
        sessions = self._deps.sessions
        after = await sweep_ended.close_ended(self._deps, findings, await records.position(sessions, NAME))
        await records.set_position(sessions, NAME, after)


async def _fill_places(deps: Dependencies, findings: Findings) -> None:
    for execution_id in await admission.admit_all(deps):
        findings.add("place_unused", execution_id)


class SweeperActivities:
    """The activity of ``SweeperWorkflow``, which an earlier release has started and which ends soon."""

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.sweep]

    @activity.defn
    async def sweep(self, state: control_pb2.SweepState) -> control_pb2.SweepResult:
        """Do nothing: the loop ``sweeper`` sweeps."""
        return control_pb2.SweepResult(state=state)


async def _problem(part: partial[Coroutine[Any, Any, None]]) -> str:
    """Run a part of a round; return why it failed, empty if it did not."""
    name = part.func.__name__.strip("_")
    try:
        await part()
    except FlyteError as e:
        _log.warning("sweep_failed", part=name, error=e.message)
        return f"{name}: {e.message}"
    except Exception as e:
        _log.exception("sweep_failed", part=name)
        return f"{name}: {type(e).__name__}: {e}"
    return ""
