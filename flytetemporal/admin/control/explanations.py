"""The sentences of ``flytetemporal why``: what a node waits for. Pure."""

from collections.abc import Sequence
from datetime import datetime

from flyteidl.core import execution_pb2 as core_execution_pb2
from google.protobuf import timestamp_pb2

from flytetemporal.admin.base.temporal_answers import PendingActivity
from flytetemporal.contracts.v1 import operations_pb2, pauses_pb2
from flytetemporal.idl import error_text, times, types

State = operations_pb2.AttemptWait
# A sentence names at most this many nodes, so that it stays readable.
SHOWN = 10
# What the engine itself does for a node, by the name that the workflow's answer has for it.
_ENGINE_WORK = {
    "inputs": "resolve its inputs",
    "cache": "look up its cached outputs",
    "compiling": "compile its dynamic workflow",
    "continue as new": "continue in a new run",
}


def add_activity(wait: operations_pb2.Wait, activity: PendingActivity, pollers: int, now: datetime) -> None:
    """Add Temporal's state of the attempt's activity, and the number of workers that poll its task queue."""
    attempt = wait.attempt
    attempt.state = activity.state
    attempt.pollers = pollers
    attempt.tries = activity.tries
    attempt.last_failure = error_text.headline(activity.last_failure or "")
    attempt.waits_for = error_text.headline(activity.waits_for)
    attempt.remark = error_text.headline(activity.remark)
    if activity.state == State.RUNNING and activity.started_at is not None:
        wait.since.CopyFrom(times.timestamp(activity.started_at))
    # Temporal calls it scheduled both before the pause between two tries has passed and after that, when the next try
    # only needs a worker.
    if activity.state == State.SCHEDULED and activity.last_failure is not None and activity.due_at > now:
        attempt.state = State.BACKING_OFF
        attempt.next_try_at.CopyFrom(times.timestamp(activity.due_at))


def sentence(wait: operations_pb2.Wait) -> str:
    """Return one sentence, without its full stop, that starts with the node's id."""
    match wait.WhichOneof("cause"):
        case "nodes" if wait.nodes.node_ids:
            text = f"waits for {_listed(wait.nodes.node_ids)}"
        case "nested" if wait.nested.node_ids:
            children = "its child" if len(wait.nested.node_ids) == 1 else "its children"
            text = f"waits for {children} {_listed(wait.nested.node_ids)}"
        case "hold":
            text = _hold(wait)
        case "slot":
            text = _slot(wait.slot)
        case "signal":
            text = _signal(wait.signal)
        case "backoff":
            text = _backoff(wait.backoff)
        case "attempt":
            text = _attempt(wait)
        case _:
            text = _short(wait)
    skipped = "; when its turn comes, it ends with the outputs of an operator" if wait.will_be_skipped else ""
    return f"{wait.node_id} {text}{skipped}"


def _short(wait: operations_pb2.Wait) -> str:
    match wait.WhichOneof("cause"):
        case "timer":
            return f"sleeps until {_moment(wait.timer.until)}"
        case "child":
            return f"waits for execution {wait.child.execution_id.name} to end"
        case "engine":
            return f"waits for the engine to {_engine_work(wait.engine.work)}"
        case "pause":
            return f"waits until it is resumed: {paused(wait.pause)}"
        case _:
            return "is about to continue"


def paused(pause: pauses_pb2.Pause) -> str:
    """Return what is paused, by whom, since when and why."""
    target = pause.target
    match target.kind:
        case pauses_pb2.PauseTarget.PROJECT:
            what = f"project {target.project}" + (f", domain {target.domain}," if target.domain else "")
        case pauses_pb2.PauseTarget.LAUNCH_PLAN:
            what = f"launch plan {target.name}"
        case pauses_pb2.PauseTarget.SCHEDULE:
            what = f"the schedule of launch plan {target.name}"
        case pauses_pb2.PauseTarget.NODE:
            what = f"node {target.node_id} of execution {target.name}"
        case _:
            what = f"execution {target.name}"
    by = f" by {pause.paused_by}" if pause.paused_by else ""
    since = f" since {_moment(pause.since)}" if pause.HasField("since") else ""
    return f"{what} is paused{by}{since}: {error_text.headline(pause.reason) or 'no reason was given'}"


def _engine_work(work: str) -> str:
    return f"read {work}" if work.startswith("signal ") else _ENGINE_WORK.get(work, f"finish: {work}")


def _slot(slot: operations_pb2.SlotWait) -> str:
    wanted = "the only slot" if slot.limit == 1 else f"one of the {slot.limit} slots"
    # The workflow names a few holders only, however many there are.
    others = " and others" if len(slot.holders) < slot.limit else ""
    holders = f", held by {_listed(slot.holders)}{others}" if slot.holders else ""
    return f"waits for {wanted} of {slot.limit_name}{holders}"


def _hold(wait: operations_pb2.Wait) -> str:
    error, node = wait.hold.error, f"{wait.hold.execution} {wait.node_id}"
    kind = core_execution_pb2.ExecutionError.ErrorKind.Name(error.kind)
    failure = f"{kind} {error.code}: {error_text.cause('', error.message)}"
    return (
        f"has failed and is held since {_moment(wait.since)} ({failure}); run it again with "
        f"`flytetemporal retry {node}`, or give it outputs with `flytetemporal skip {node} --outputs FILE`"
    )


def _signal(signal: operations_pb2.SignalWait) -> str:
    kind = types.text(signal.type).removeprefix("simple:").lower()
    if kind == "boolean":
        advice = "approve or reject it with FlyteRemote.approve or FlyteRemote.reject, or POST /api/v1/signals"
    else:
        advice = "set it with FlyteRemote.set_input, or POST /api/v1/signals"
    return f'waits for signal "{signal.signal_id}" ({kind}): {advice}'


def _backoff(backoff: operations_pb2.BackoffWait) -> str:
    error = backoff.last_error
    kind = core_execution_pb2.ExecutionError.ErrorKind.Name(error.kind)
    return (
        f"starts attempt {backoff.next_attempt} at {_moment(backoff.until)}; "
        f"the last attempt failed with {kind} {error.code}: {error.message}"
    )


def _attempt(wait: operations_pb2.Wait) -> str:
    found = wait.attempt
    attempt = f"attempt {found.attempt}"
    again = f" (try {found.tries}; the last try failed: {found.last_failure})" if found.last_failure else ""
    match found.state:
        case State.SCHEDULED if found.pollers == 0:
            return f"waits for a worker to run {attempt}{again}: none polls task queue {found.task_queue}, start one"
        case State.SCHEDULED:
            workers = "the worker" if found.pollers == 1 else f"one of the {found.pollers} workers"
            return f"waits for a free slot on {workers} of task queue {found.task_queue} to run {attempt}{again}"
        case State.RUNNING:
            waits = f" and waits for {found.waits_for}" if found.waits_for else ""
            remark = f"; {found.remark}" if found.remark else ""
            return f"has been running {attempt} since {_moment(wait.since)}{again}{waits}{remark}"
        case State.CANCEL_REQUESTED:
            return f"is stopping {attempt}"
        case State.BACKING_OFF:
            return f"repeats {attempt} at {_moment(found.next_try_at)}; the last try failed: {found.last_failure}"
        case _:
            return f"is about to run {attempt}"


def _listed(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{', '.join(names[:SHOWN])} and {len(names) - SHOWN} others"
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _moment(stamp: timestamp_pb2.Timestamp) -> str:
    return times.moment(stamp).isoformat(timespec="seconds").replace("+00:00", "Z")
