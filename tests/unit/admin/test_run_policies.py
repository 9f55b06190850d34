from datetime import timedelta

import pytest
from flyteidl.admin import common_pb2

from flytetemporal.admin import run_policies
from flytetemporal.errors import InvalidRequest


def level(**values: str) -> common_pb2.Annotations:
    return common_pb2.Annotations(values={f"flytetemporal.io/{name}": value for name, value in values.items()})


def test_nothing_is_set_unless_somebody_says_so() -> None:
    policies = run_policies.merge([level(), common_pb2.Annotations(values={"timeout": "1h"})], timedelta())

    assert (policies.timeout, policies.rules) == (timedelta(), [])


def test_the_most_specific_timeout_counts() -> None:
    levels = [level(), level(timeout="1h30m"), level(timeout="5s")]

    assert run_policies.merge(levels, timedelta()).timeout == timedelta(hours=1, minutes=30)


@pytest.mark.parametrize(("asked", "expected"), [("3h", 2), ("1h", 1), ("", 2)])
def test_no_timeout_is_longer_than_the_platforms(asked: str, expected: int) -> None:
    levels = [level(timeout=asked)] if asked else []

    assert run_policies.merge(levels, timedelta(hours=2)).timeout == timedelta(hours=expected)


def test_rules_of_all_levels_add_up_the_specific_first() -> None:
    levels = [
        level(retry="[{task: train, cause: OOMKilled, retries: 2, initial: 30s, coefficient: 3, maximum: 10m}]"),
        level(retry='[{"cause": "SYSTEM", "retries": 0}]'),
    ]

    first, second = run_policies.merge(levels, timedelta()).rules

    assert (first.task, first.cause, first.retries.value) == ("train", "OOMKilled", 2)
    assert (first.initial_interval.seconds, first.backoff_coefficient, first.maximum_interval.seconds) == (30, 3, 600)
    assert (second.cause, second.HasField("retries"), second.retries.value) == ("SYSTEM", True, 0)
    assert not second.HasField("maximum_interval")


@pytest.mark.parametrize(
    ("annotation", "text", "says"),
    [
        ("timeout", "soon", "annotation flytetemporal.io/timeout: .*soon"),
        ("timeout", "-5s", "cannot be negative"),
        ("retry", "{", "annotation flytetemporal.io/retry is no YAML"),
        ("retry", "often", "annotation flytetemporal.io/retry: .*list"),
        ("retry", "[{retries: -1}]", "annotation flytetemporal.io/retry at 0.retries"),
        ("retry", "[{}, {initial: 5}]", "annotation flytetemporal.io/retry at 1.initial: .*duration such as 90s"),
        ("retry", "[{tries: 1}]", "at 0.tries: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(annotation: str, text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        run_policies.merge([level(**{annotation: text})], timedelta())
