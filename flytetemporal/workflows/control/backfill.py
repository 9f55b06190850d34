"""BackfillWorkflow: launches the times of a backfill, a few at once, until all have ended.

What it has launched, and what comes next, is in admin's rows. So the workflow needs no state but the id: any step can
be repeated, and a new run continues where the one before stopped.
"""

import contextlib
from datetime import timedelta

from temporalio import workflow

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import backfills_pb2, execution_pb2
from flytetemporal.workflows import engine_activities

TIMEOUT = timedelta(minutes=10)
# Executions notify the workflow of their ends. It looks by itself, too: a notification is lost with a workflow that is
# terminated, and the end of a pause of the launch plan sends none.
POLL = timedelta(seconds=20)
# Events of a history after which a new run starts.
EVENTS = 2000


@workflow.defn(name=workflows.BACKFILL_WORKFLOW, sandboxed=False)
class BackfillWorkflow:
    """Runs one backfill."""

    def __init__(self) -> None:
        self._is_changed = False

    @workflow.signal(name=workflows.BACKFILL_CHANGED)
    def changed(self) -> None:
        """Look at the backfill again: it was paused, resumed or cancelled."""
        self._is_changed = True

    @workflow.signal(name=workflows.CHILD_ENDED)
    def child_ended(self, _: execution_pb2.ChildState) -> None:
        """Look at the backfill again: one of its executions has ended."""
        self._is_changed = True

    @workflow.run
    async def run(self, backfill: backfills_pb2.BackfillId) -> backfills_pb2.Backfill:
        """Advance the backfill until it is over; return its last state."""
        while True:
            self._is_changed = False
            found = await engine_activities.execute(
                activities.advance_backfill, backfill, limit=TIMEOUT, summary="launch what is next"
            )
            workflow.set_current_details(details(found))
            if found.HasField("ended_at"):
                return found
            if workflow.info().get_current_history_length() >= EVENTS:
                workflow.continue_as_new(backfill)
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda: self._is_changed, timeout=POLL, timeout_summary="until an execution ends"
                )


def details(backfill: backfills_pb2.Backfill) -> str:
    """Return the progress of a backfill, as Temporal's UI shows it."""
    counts, state = backfill.counts, backfills_pb2.Backfill.State.Name(backfill.state)
    waits = f"\n\nwaits: {backfill.waits_for}" if backfill.waits_for else ""
    return (
        f"**{state}**: {counts.total} times, {counts.pending} pending, {counts.running} running, "
        f"{counts.succeeded} succeeded, {counts.failed} failed, {counts.skipped} skipped, "
        f"{counts.cancelled} cancelled{waits}"
    )
