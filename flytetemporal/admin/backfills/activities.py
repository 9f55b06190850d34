"""The activity of backfills."""

from collections.abc import Callable
from typing import Any

from temporalio import activity  # Temporal finds an activity by this decorator; all calls go through base/engine.

from flytetemporal.admin.backfills import advancing
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.contracts.v1 import backfills_pb2


class BackfillActivities:
    """The implementation of the activity ``advance_backfill`` of ``contracts/activities``."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.advance_backfill]

    @activity.defn
    async def advance_backfill(self, backfill: backfills_pb2.BackfillId) -> backfills_pb2.Backfill:
        """Record which executions have ended, launch the next ones, and return the progress."""
        return await advancing.advance(self._deps, backfill)
