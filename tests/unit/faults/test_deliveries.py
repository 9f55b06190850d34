"""What the fault suite finds wrong with deliveries. A judge that finds nothing would call every run clean."""

import random
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from faults.deliveries import ENDS, FAILURES, KEY, judge_events, judge_notices
from faults.receiver import EVENTS, Accepted, Receiver
from flytetemporal.admin.notifications.senders import signatures
from flytetemporal.config.webhook_keys import signing_key

SUCCEEDED = {"one": "SUCCEEDED"}


def notice(name: str, phase: str, identifier: str = "msg_1", path: str = ENDS, problem: str = "") -> Accepted:
    return Accepted(path, identifier, {"data": {"execution": {"name": name}, "phase": phase}}, problem)


def event(row: int, kind: str = "NodeExecution", phase: str = "RUNNING") -> Accepted:
    data: dict[str, Any] = {} if kind == "ExecutionStart" else {"rawEvent": {"phase": phase}}
    return Accepted(EVENTS, f"one.{row}", {"type": f"com.flyte.resource.cloudevents.{kind}", "data": data})


START, END = event(1, "ExecutionStart"), event(4, "WorkflowExecution", "SUCCEEDED")
RECORDED = dict.fromkeys((1, 2, 4), "one")


def test_deliveries_that_are_repeated_are_no_problem() -> None:
    assert judge_notices([notice("one", "SUCCEEDED")] * 2, SUCCEEDED) == []
    assert judge_events([START, event(2), START, event(2), END], RECORDED, SUCCEEDED) == []


def test_what_did_not_arrive_is_found() -> None:
    assert judge_notices([], SUCCEEDED) == ["notification one SUCCEEDED /ends was lost"]
    assert judge_notices([notice("one", "FAILED")], {"one": "FAILED"}) == ["notification one FAILED /failures was lost"]
    assert judge_events([START, END], RECORDED, SUCCEEDED) == ["event 2 of one was lost"]


def test_an_event_that_was_never_recorded_for_the_end_of_an_execution_is_missed() -> None:
    without_end = {1: "one", 2: "one"}

    assert judge_events([START, event(2)], without_end, SUCCEEDED) == ["no event of one says that it is SUCCEEDED"]
    assert judge_events([event(2), END], {2: "one", 4: "one"}, SUCCEEDED) == ["the first event of one is not its start"]


def test_events_in_another_order_are_found() -> None:
    assert judge_events([START, END, event(2)], RECORDED, SUCCEEDED) == [
        "the events of one arrived in the order [1, 4, 2]"
    ]


def test_what_is_not_owed_and_two_ids_of_one_end_are_found() -> None:
    twice = [notice("one", "SUCCEEDED"), notice("one", "SUCCEEDED", "msg_2")]

    assert judge_notices(twice, SUCCEEDED) == ["notification one SUCCEEDED /ends has 2 ids"]
    extra = [notice("one", "SUCCEEDED"), notice("one", "SUCCEEDED", path=FAILURES)]
    assert judge_notices(extra, SUCCEEDED) == ["notification one SUCCEEDED /failures is not owed"]


def test_the_receiver_finds_a_wrong_signature() -> None:
    receiver, body = Receiver(KEY, random.Random(1), {}), b'{"data": {}}'
    headers = signatures.headers(signing_key(SecretStr(KEY)), "msg_1", datetime.now(UTC), body)

    receiver.take(ENDS, headers, body)
    receiver.take(ENDS, headers, body + b" ")

    right, wrong = receiver.accepted
    assert (right.identifier, right.problem) == ("msg_1", "")
    assert "signature is wrong" in wrong.problem


def test_the_receiver_fails_as_often_as_it_is_told() -> None:
    receiver = Receiver(KEY, random.Random(1), {ENDS: 1.0})

    answers = {receiver.status(ENDS) for _ in range(50)} | {receiver.status(EVENTS)}

    assert answers == {0, 200, 500, 503}
    assert receiver.failed == 50
