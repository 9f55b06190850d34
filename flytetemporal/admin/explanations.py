"""Say what a node waits for in one sentence. Pure."""

from collections.abc import Iterable

from flyteidl.core import execution_pb2 as core_execution_pb2
from google.protobuf import timestamp_pb2
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo

from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import error_text, times, types

State = operations_pb2.AttemptWait
ABOUT_TO = "is about to go on"
_STATES = {
    PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED: State.SCHEDULED,
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED: State.RUNNING,
    PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED: State.CANCEL_REQUESTED,
}


def add_activity(wait: operations_pb2.AttemptWait, activity: PendingActivityInfo, pollers: int) -> None:
    """Add what Temporal knows of the attempt's activity and of the workers that could take it."""
    wait.state = _STATES.get(activity.state, State.UNKNOWN)
    wait.pollers = pollers
    wait.tries = max(1, activity.attempt)
    wait.last_failure = error_text.headline(activity.last_failure.message)
    if wait.state == State.SCHEDULED and activity.HasField("last_failure"):
        wait.state = State.BACKING_OFF
        planned = activity.HasField("next_attempt_schedule_time")
        wait.next_try_at.CopyFrom(activity.next_attempt_schedule_time if planned else activity.scheduled_time)


def sentence(wait: operations_pb2.Wait) -> str:
    """Return the cause of a wait as people say it."""
    match wait.WhichOneof("cause"):
        case "nodes":
            text = f"waits for {_listed(wait.nodes.node_ids)}" if wait.nodes.node_ids else ABOUT_TO
        case "slot":
            text = _slot(wait.slot)
        case "signal":
            kind = types.text(wait.signal.type)
            text = (
                f'waits for signal "{wait.signal.signal_id}" ({kind}): approve or set it in the console or by SetSignal'
            )
        case "timer":
            text = f"waits until {_moment(wait.timer.until)}"
        case "backoff":
            text = _backoff(wait.backoff)
        case "attempt":
            text = _attempt(wait.attempt)
        case "nested":
            text = f"waits for {_listed(wait.nested.node_ids)} below it" if wait.nested.node_ids else ABOUT_TO
        case "engine":
            text = f"waits for the engine ({wait.engine.work})"
        case _:
            text = ABOUT_TO
    return f"{wait.node_id} {text}"


def _slot(slot: operations_pb2.SlotWait) -> str:
    more = " and others" if len(slot.holders) < slot.limit else ""
    holders = f", which {_listed(slot.holders)}{more} hold" if slot.holders else ""
    return f"waits for one of {slot.limit} slots of {slot.limit_name}{holders}"


def _backoff(backoff: operations_pb2.BackoffWait) -> str:
    error = backoff.last_error
    kind = core_execution_pb2.ExecutionError.ErrorKind.Name(error.kind)
    return (
        f"begins attempt {backoff.next_attempt} at {_moment(backoff.until)}, after {kind} {error.code}: {error.message}"
    )


def _attempt(wait: operations_pb2.AttemptWait) -> str:
    attempt = f"attempt {wait.attempt}"
    match wait.state:
        case State.SCHEDULED if wait.pollers == 0:
            return f"has {attempt} waiting for a worker: none polls task queue {wait.task_queue}"
        case State.SCHEDULED:
            workers = "the worker" if wait.pollers == 1 else f"one of {wait.pollers} workers"
            return f"has {attempt} waiting for a free place on {workers} of task queue {wait.task_queue}"
        case State.RUNNING:
            again = f" (try {wait.tries}, after: {wait.last_failure})" if wait.last_failure else ""
            return f"runs {attempt}{again}"
        case State.CANCEL_REQUESTED:
            return f"stops {attempt}"
        case State.BACKING_OFF:
            return f"tries {attempt} again at {_moment(wait.next_try_at)}, after: {wait.last_failure}"
        case _:
            return f"is about to run {attempt}"


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _moment(stamp: timestamp_pb2.Timestamp) -> str:
    return times.moment(stamp).isoformat(timespec="seconds").replace("+00:00", "Z")
