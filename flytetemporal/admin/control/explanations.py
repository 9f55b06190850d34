"""Say what a node waits for in one sentence. Pure."""

from collections.abc import Sequence
from datetime import datetime

from flyteidl.core import execution_pb2 as core_execution_pb2
from google.protobuf import timestamp_pb2

from flytetemporal.admin.base.engine import PendingActivity
from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import error_text, times, types

State = operations_pb2.AttemptWait
ABOUT_TO = "is about to go on"
# One sentence names no more nodes than a person reads.
SHOWN = 10


def add_activity(wait: operations_pb2.Wait, activity: PendingActivity, pollers: int, now: datetime) -> None:
    """Add what Temporal knows of the attempt's activity and of the workers that could take it."""
    attempt = wait.attempt
    attempt.state = activity.state
    attempt.pollers = pollers
    attempt.tries = activity.tries
    attempt.last_failure = error_text.headline(activity.last_failure or "")
    if activity.state == State.RUNNING and activity.started_at is not None:
        wait.since.CopyFrom(times.timestamp(activity.started_at))
    # Temporal calls it scheduled both before the pause between two tries has passed and after that, when the next try
    # only needs a worker.
    if activity.state == State.SCHEDULED and activity.last_failure is not None and activity.due_at > now:
        attempt.state = State.BACKING_OFF
        attempt.next_try_at.CopyFrom(times.timestamp(activity.due_at))


def sentence(wait: operations_pb2.Wait) -> str:
    """Return the cause of a wait as people say it."""
    match wait.WhichOneof("cause"):
        case "nodes":
            text = f"waits for {_listed(wait.nodes.node_ids)}" if wait.nodes.node_ids else ABOUT_TO
        case "slot":
            text = _slot(wait.slot)
        case "signal":
            kind = types.text(wait.signal.type).removeprefix("simple:").lower()
            text = (
                f'waits for signal "{wait.signal.signal_id}" ({kind}): approve or set it in the console or by SetSignal'
            )
        case "timer":
            text = f"waits until {_moment(wait.timer.until)}"
        case "backoff":
            text = _backoff(wait.backoff)
        case "attempt":
            text = _attempt(wait)
        case "nested":
            text = f"waits for {_listed(wait.nested.node_ids)} below it" if wait.nested.node_ids else ABOUT_TO
        case "child":
            text = f"waits for execution {wait.child.execution_id.name}"
        case "engine":
            text = f"waits for the engine ({wait.engine.work})"
        case _:
            text = ABOUT_TO
    return f"{wait.node_id} {text}"


def _slot(slot: operations_pb2.SlotWait) -> str:
    more = " and others" if len(slot.holders) < slot.limit else ""
    holders = f", held by {_listed(slot.holders)}{more}" if slot.holders else ""
    wanted = "the only slot" if slot.limit == 1 else f"one of {slot.limit} slots"
    return f"waits for {wanted} of {slot.limit_name}{holders}"


def _backoff(backoff: operations_pb2.BackoffWait) -> str:
    error = backoff.last_error
    kind = core_execution_pb2.ExecutionError.ErrorKind.Name(error.kind)
    return (
        f"begins attempt {backoff.next_attempt} at {_moment(backoff.until)}, after {kind} {error.code}: {error.message}"
    )


def _attempt(wait: operations_pb2.Wait) -> str:
    found = wait.attempt
    attempt = f"attempt {found.attempt}"
    again = f" (try {found.tries}, after: {found.last_failure})" if found.last_failure else ""
    match found.state:
        case State.SCHEDULED if found.pollers == 0:
            return f"has {attempt}{again} waiting for a worker: none polls task queue {found.task_queue}"
        case State.SCHEDULED:
            workers = "the worker" if found.pollers == 1 else f"one of {found.pollers} workers"
            return f"has {attempt}{again} waiting for a free place on {workers} of task queue {found.task_queue}"
        case State.RUNNING:
            return f"runs {attempt} since {_moment(wait.since)}{again}"
        case State.CANCEL_REQUESTED:
            return f"stops {attempt}"
        case State.BACKING_OFF:
            return f"tries {attempt} again at {_moment(found.next_try_at)}, after: {found.last_failure}"
        case _:
            return f"is about to run {attempt}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} others"
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _moment(stamp: timestamp_pb2.Timestamp) -> str:
    return times.moment(stamp).isoformat(timespec="seconds").replace("+00:00", "Z")
