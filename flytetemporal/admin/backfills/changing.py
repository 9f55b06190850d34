"""Pause, resume and cancel a backfill, and change how many of its executions run at once."""

from flytetemporal import errors
from flytetemporal.admin.backfills import planning, records, starting
from flytetemporal.admin.base import operator_actions, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.outbox.backfill_models import BackfillRow
from flytetemporal.admin.registry import entity_rows
from flytetemporal.contracts.v1 import backfills_pb2

State = backfills_pb2.Backfill
_VERBS = {State.RUNNING: "resume", State.PAUSED: "pause", State.CANCELLED: "cancel"}


async def set_state(
    deps: Dependencies, request: backfills_pb2.SetBackfillStateRequest
) -> backfills_pb2.SetBackfillStateResponse:
    """Pause, resume or cancel a backfill. A repeated call changes nothing.

    Raises:
        NotFound: the backfill does not exist.
        FailedPrecondition: it is over, or was cancelled.
    """
    records.check_id(request.id, given=request.HasField("id"))
    validation.check_length(request.reason, "reason", planning.MAX_REASON_LENGTH)
    validation.check_length(request.changed_by, "changed_by", validation.MAX_NAME_LENGTH)
    if request.state not in _VERBS:
        raise errors.InvalidRequest("invalid value for state: set RUNNING, PAUSED or CANCELLED")
    if request.abort_running and request.state != State.CANCELLED:
        raise errors.InvalidRequest("abort_running goes with state CANCELLED; a paused backfill lets executions finish")
    response = backfills_pb2.SetBackfillStateResponse()
    async with deps.sessions.begin() as session:
        row = await records.find(session, request.id, lock=True)
        response.has_changed = _change(row, request)
        if response.has_changed:
            key, verb = (row.project, row.domain, row.name), f"{_VERBS[request.state]} backfill"
            operator_actions.record(session, request.changed_by, verb, key, reason=request.reason)
        response.backfill.CopyFrom(records.message(row))
    await starting.wake(deps, response.backfill)
    return response


async def change(
    deps: Dependencies, request: backfills_pb2.ChangeBackfillRequest
) -> backfills_pb2.ChangeBackfillResponse:
    """Change how many executions of a backfill run at once. A repeated call changes nothing.

    Raises:
        NotFound: the backfill does not exist.
        FailedPrecondition: it is over, or was cancelled.
    """
    records.check_id(request.id, given=request.HasField("id"))
    validation.check_length(request.reason, "reason", planning.MAX_REASON_LENGTH)
    validation.check_length(request.changed_by, "changed_by", validation.MAX_NAME_LENGTH)
    if not request.parallel:
        raise errors.InvalidRequest("parallel is 0; to launch nothing for a while, pause the backfill")
    planning.check_parallel(request.parallel)
    response = backfills_pb2.ChangeBackfillResponse()
    async with deps.sessions.begin() as session:
        row = await records.find(session, request.id, lock=True)
        if row.ended_at is not None or row.state == "CANCELLED":
            raise errors.FailedPrecondition(f"backfill {row.name} is {row.state} and launches nothing more")
        # The version cannot be deleted while the backfill is open.
        plan = await entity_rows.find(session, LaunchPlanRow, records.launch_plan(row))
        parallel = request.parallel if plan is None else min(request.parallel, planning.most_at_once(plan))
        response.has_changed = row.parallel != parallel
        if response.has_changed:
            key, before = (row.project, row.domain, row.name), row.parallel
            row.parallel = parallel
            operator_actions.record(
                session, request.changed_by, "change backfill", key, parallel=parallel, before=before,
                reason=request.reason,
            )  # fmt: skip
        response.backfill.CopyFrom(records.message(row))
    await starting.wake(deps, response.backfill)
    return response


def _change(row: BackfillRow, request: backfills_pb2.SetBackfillStateRequest) -> bool:
    """Set the state; return whether that changed anything. Raises ``FailedPrecondition``."""
    state = State.State.Name(request.state)
    if row.state == state and (row.abort_running or not request.abort_running):
        return False
    if row.ended_at is not None:
        raise errors.FailedPrecondition(
            f"backfill {row.name} is over ({row.state}); start another one for what is left"
        )
    if row.state == "CANCELLED" and state != "CANCELLED":
        raise errors.FailedPrecondition(f"backfill {row.name} was cancelled and cannot continue; start another one")
    row.state, row.abort_running, row.waits_for = state, request.abort_running, ""
    return True
