"""Pause, resume and cancel a backfill."""

from flytetemporal import errors
from flytetemporal.admin.backfills import planning, records, starting
from flytetemporal.admin.base import operator_actions, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.outbox.backfill_models import BackfillRow
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
