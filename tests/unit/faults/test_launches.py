"""What the fault suite finds wrong with backfills and triggers. A judge without findings calls every run clean."""

from datetime import UTC, datetime

from faults.calls import DOMAIN, PROJECT
from faults.launches import AFTER, ARRIVED, FOLLOWER, HOURLY, PUSHED, SOURCE, Sent, judge_backfill, judge_triggers
from flytetemporal.admin.events.trigger_events import execution_name

WHEN = datetime(2026, 1, 1, 5, tzinfo=UTC)
RUN = (WHEN, "SUCCEEDED", "x")
LAUNCHED = {"x": (HOURLY, "SUCCEEDED")}
SENT = Sent(sources=["one", "two"], webhooks=["w"], objects=["/store/o"])
ONE, OBJECT = f"{PROJECT}:{DOMAIN}:one", "/store/o@1-4"


def follower(trigger: str, event: str) -> str:
    return execution_name((PROJECT, DOMAIN, FOLLOWER, trigger), event)


EVENTS = [
    (one, event, follower(one, event), "LAUNCHED") for one, event in [(AFTER, ONE), (PUSHED, "w"), (ARRIVED, OBJECT)]
]
EXECUTIONS = {
    "one": (SOURCE, "SUCCEEDED"),
    "two": (SOURCE, "ABORTED"),
    **{name: (FOLLOWER, "SUCCEEDED") for _, _, name, _ in EVENTS},
}


def test_a_backfill_that_ran_each_time_once_is_clean() -> None:
    assert judge_backfill({"x": WHEN}, [RUN], LAUNCHED) == []


def test_a_time_that_was_not_launched_or_not_counted_is_found() -> None:
    assert judge_backfill({"x": WHEN}, [RUN], {}) == ["time 2026-01-01T05:00 was not launched"]
    assert judge_backfill({"x": WHEN}, [], LAUNCHED) == ["1 times have 0 runs"]
    assert judge_backfill({"x": WHEN}, [(WHEN, "SKIPPED", "x")], LAUNCHED) == ["run x is SKIPPED"]


def test_a_second_execution_of_a_time_and_one_that_failed_are_found() -> None:
    twice = {**LAUNCHED, "y": (HOURLY, "SUCCEEDED")}

    assert judge_backfill({"x": WHEN}, [RUN], twice) == ["y belongs to no time"]
    assert judge_backfill({"x": WHEN}, [RUN], {"x": (HOURLY, "FAILED")}) == ["x is FAILED"]


def test_triggers_that_launched_each_event_once_are_clean() -> None:
    assert judge_triggers(SENT, EVENTS, EXECUTIONS) == []


def test_events_that_were_missed_are_found() -> None:
    problems = judge_triggers(SENT, [], {name: EXECUTIONS[name] for name in ("one", "two")})

    assert problems == [f"{AFTER} has missed {ONE}", f"{PUSHED} has missed w", f"{ARRIVED} has missed /store/o"]


def test_an_object_whose_event_is_doubled_and_an_event_without_reason_are_found() -> None:
    again, odd = (ARRIVED, f"{OBJECT}1", follower(ARRIVED, f"{OBJECT}1"), "LAUNCHED"), f"{PROJECT}:{DOMAIN}:two"
    extra = (AFTER, odd, follower(AFTER, odd), "LAUNCHED")
    executions = {**EXECUTIONS, again[2]: (FOLLOWER, "SUCCEEDED"), extra[2]: (FOLLOWER, "SUCCEEDED")}

    assert judge_triggers(SENT, [*EVENTS, again], executions)[0] == f"{ARRIVED} has 2 events for /store/o"
    assert judge_triggers(SENT, [*EVENTS, extra], executions)[0] == f"{AFTER} has 1 events for {odd}"


def test_an_event_without_execution_and_an_execution_without_event_are_found() -> None:
    lost = EVENTS[0][2]

    without = {name: found for name, found in EXECUTIONS.items() if name != lost}
    assert judge_triggers(SENT, EVENTS, without) == [f"event {ONE} launched nothing"]
    odd = {**EXECUTIONS, "odd": (FOLLOWER, "SUCCEEDED")}
    assert judge_triggers(SENT, EVENTS, odd) == ["odd belongs to no event"]


def test_a_source_that_is_gone_is_found() -> None:
    without = {name: found for name, found in EXECUTIONS.items() if name != "two"}

    assert judge_triggers(SENT, EVENTS, without) == ["source two was lost"]
