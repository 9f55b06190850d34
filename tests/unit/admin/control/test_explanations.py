from datetime import UTC, datetime, timedelta

import pytest
from flyteidl.core import execution_pb2, types_pb2
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.converter import default

from flytetemporal.admin.base import temporal_answers
from flytetemporal.admin.base.temporal_answers import PendingActivity
from flytetemporal.admin.control import explanations
from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import times

AT_NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
NOON = times.timestamp(AT_NOON)
BEFORE, AFTER = AT_NOON - timedelta(seconds=1), AT_NOON + timedelta(seconds=1)
Wait = operations_pb2.Wait


@pytest.mark.parametrize(
    ("wait", "sentence"),
    [
        (Wait(node_id="n1", nodes={"node_ids": ["n0"]}), "n1 waits for n0"),
        (
            Wait(
                node_id="n1",
                pause={
                    "target": {"kind": "EXECUTION", "name": "e1"},
                    "paused_by": "ann",
                    "since": NOON,
                    "reason": "the store is full",
                },
            ),
            "n1 waits until it is resumed: execution e1 is paused by ann since 2026-01-02T12:00:00Z: the store is full",
        ),
        (
            Wait(node_id="n1", pause={"target": {"kind": "NODE", "name": "e1", "node_id": "n0"}}),
            "n1 waits until it is resumed: node n0 of execution e1 is paused: no reason was given",
        ),
        (
            Wait(node_id="n1", pause={"target": {"kind": "PROJECT", "project": "p", "domain": "d"}}),
            "n1 waits until it is resumed: project p, domain d, is paused: no reason was given",
        ),
        (
            Wait(node_id="n1", pause={"target": {"kind": "LAUNCH_PLAN", "name": "lp"}}),
            "n1 waits until it is resumed: launch plan lp is paused: no reason was given",
        ),
        (Wait(node_id="n3", nodes={"node_ids": ["n0", "n1", "n2"]}), "n3 waits for n0, n1 and n2"),
        (
            Wait(node_id="n1", slot={"limit_name": "max_parallelism", "limit": 2, "holders": ["n0", "n2"]}),
            "n1 waits for one of the 2 slots of max_parallelism, held by n0 and n2",
        ),
        (
            Wait(node_id="n1", slot={"limit_name": "max_parallelism", "limit": 25, "holders": ["n0", "n2"]}),
            "n1 waits for one of the 25 slots of max_parallelism, held by n0 and n2 and others",
        ),
        (
            Wait(node_id="n1", slot={"limit_name": "max_parallelism", "limit": 1, "holders": ["n0"]}),
            "n1 waits for the only slot of max_parallelism, held by n0",
        ),
        (
            Wait(node_id="m", nodes={"node_ids": [f"n{i}" for i in range(12)]}),
            "m waits for n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 others",
        ),
        (
            Wait(node_id="n1", signal={"signal_id": "go", "type": types_pb2.LiteralType(simple=types_pb2.BOOLEAN)}),
            'n1 waits for signal "go" (boolean): approve or reject it with FlyteRemote.approve or '
            "FlyteRemote.reject, or POST /api/v1/signals",
        ),
        (
            Wait(node_id="n1", signal={"signal_id": "n", "type": types_pb2.LiteralType(simple=types_pb2.INTEGER)}),
            'n1 waits for signal "n" (integer): set it with FlyteRemote.set_input, or POST /api/v1/signals',
        ),
        (Wait(node_id="n1", timer={"until": NOON}), "n1 sleeps until 2026-01-02T12:00:00Z"),
        (
            Wait(
                node_id="n1",
                backoff={
                    "until": NOON,
                    "next_attempt": 2,
                    "last_error": {
                        "code": "OOMKilled",
                        "kind": execution_pb2.ExecutionError.USER,
                        "message": "too big",
                    },
                },
            ),
            "n1 starts attempt 2 at 2026-01-02T12:00:00Z; the last attempt failed with USER OOMKilled: too big",
        ),
        (Wait(node_id="n1", nested={"node_ids": ["n1-0-n0"]}), "n1 waits for its child n1-0-n0"),
        (
            Wait(node_id="n1", nested={"node_ids": ["n1-0-n0", "n1-0-n1"]}),
            "n1 waits for its children n1-0-n0 and n1-0-n1",
        ),
        (Wait(node_id="n1", child={"execution_id": {"name": "c1"}}), "n1 waits for execution c1 to end"),
        (
            Wait(
                node_id="n1",
                since=NOON,
                hold={"execution": "e1", "error": {"code": "Boom", "kind": "USER", "message": "it broke\nat line 1"}},
            ),
            "n1 has failed and is held since 2026-01-02T12:00:00Z (USER Boom: it broke); run it again with "
            "`flytetemporal retry e1 n1`, or give it outputs with `flytetemporal skip e1 n1 --outputs FILE`",
        ),
        (Wait(node_id="n1", nested={}), "n1 is about to continue"),
        (
            Wait(node_id="n1", nodes={"node_ids": ["n0"]}, will_be_skipped=True),
            "n1 waits for n0; when its turn comes, it ends with the outputs of an operator",
        ),
        (Wait(node_id="n1", engine={"work": "inputs"}), "n1 waits for the engine to resolve its inputs"),
        (Wait(node_id="n1", engine={"work": "signal go"}), "n1 waits for the engine to read signal go"),
        (Wait(node_id="n1"), "n1 is about to continue"),
    ],
)
def test_each_cause_is_one_sentence(wait: Wait, sentence: str) -> None:
    assert explanations.sentence(wait) == sentence


def activity(
    state: str, attempt: int = 1, failure: str = "", planned: datetime | None = None, note: str = "", remark: str = ""
) -> PendingActivity:
    found = PendingActivityInfo(
        state=PendingActivityState.Value(f"PENDING_ACTIVITY_STATE_{state}"),
        attempt=attempt,
        scheduled_time=NOON,
        last_started_time=NOON,
    )
    if failure:
        found.last_failure.CopyFrom(Failure(message=failure))
    if note or remark:  # Besides the handle of the attempt.
        details = [b"123", note.encode(), *([remark.encode()] if remark else [])]
        found.heartbeat_details.payloads.extend(default().payload_converter.to_payloads(details))
    if planned is not None:
        found.next_attempt_schedule_time.CopyFrom(times.timestamp(planned))
    return temporal_answers.pending_activity(found)


@pytest.mark.parametrize(
    ("found", "pollers", "says"),
    [
        (activity("SCHEDULED"), 0, "waits for a worker to run attempt 1: none polls task queue q, start one"),
        (activity("SCHEDULED"), 1, "waits for a free slot on the worker of task queue q to run attempt 1"),
        (activity("SCHEDULED"), 3, "waits for a free slot on one of the 3 workers of task queue q to run attempt 1"),
        (activity("STARTED"), 1, "has been running attempt 1 since 2026-01-02T12:00:00Z"),
        (
            activity("STARTED", 2, "worker died"),
            1,
            "has been running attempt 1 since 2026-01-02T12:00:00Z (try 2; the last try failed: worker died)",
        ),
        (
            activity("STARTED", note="outputs: the object store does not answer for s3://a/b: gone"),
            1,
            "has been running attempt 1 since 2026-01-02T12:00:00Z and waits for outputs: "
            "the object store does not answer for s3://a/b: gone",
        ),
        (
            activity(
                "STARTED", remark="the task's code was imported for this attempt alone: its import starts 2 threads"
            ),
            1,
            "has been running attempt 1 since 2026-01-02T12:00:00Z; the task's code was imported for this attempt "
            "alone: its import starts 2 threads",
        ),
        (activity("CANCEL_REQUESTED"), 1, "is stopping attempt 1"),
        (
            activity("SCHEDULED", 2, "no store\nand more"),
            1,
            "repeats attempt 1 at 2026-01-02T12:00:00Z; the last try failed: no store",
        ),
    ],
)
def test_an_attempt_is_explained_with_the_state_in_temporal(found: PendingActivity, pollers: int, says: str) -> None:
    assert explained(found, pollers, BEFORE) == f"n1 {says}"


def test_a_next_try_whose_time_has_come_waits_for_a_worker() -> None:
    said = explained(activity("SCHEDULED", 2, "worker died"), 0, AFTER)

    assert said == (
        "n1 waits for a worker to run attempt 1 (try 2; the last try failed: worker died): "
        "none polls task queue q, start one"
    )


def test_the_planned_time_of_the_next_try_counts_before_the_scheduled_one() -> None:
    found = activity("SCHEDULED", 2, "no store", planned=AFTER)

    assert explained(found, 1, AT_NOON) == "n1 repeats attempt 1 at 2026-01-02T12:00:01Z; the last try failed: no store"


def explained(found: PendingActivity, pollers: int, now: datetime) -> str:
    wait = Wait(node_id="n1", attempt=operations_pb2.AttemptWait(attempt=1, task_queue="q"))
    explanations.add_activity(wait, found, pollers, now)
    return explanations.sentence(wait)


def test_an_attempt_that_temporal_does_not_know_is_about_to_run() -> None:
    wait = Wait(node_id="n1", attempt=operations_pb2.AttemptWait(attempt=0))

    assert explanations.sentence(wait) == "n1 is about to run attempt 0"
