from datetime import timedelta

import pytest
from flyteidl.admin import common_pb2

from flytetemporal.admin.schedules import policies
from flytetemporal.admin.schedules.policies import SchedulePolicy
from flytetemporal.errors import InvalidRequest


def annotated(text: str) -> common_pb2.Annotations:
    return common_pb2.Annotations(values={"flytetemporal.io/schedule": text})


def test_a_policy_is_read_from_its_annotation() -> None:
    found = policies.read(annotated("{time_zone: Europe/Berlin, catch_up: 2h, jitter: 30s}"))

    assert found.time_zone == "Europe/Berlin"
    assert (found.catch_up, found.jitter) == (timedelta(hours=2), timedelta(seconds=30))


def test_without_an_annotation_the_defaults_apply() -> None:
    assert policies.read(common_pb2.Annotations()) == SchedulePolicy()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("often", "annotation flytetemporal.io/schedule of the launch plan"),
        ("{time_zone: Here}", r"at time_zone: .*time zone \[Here\] is unknown"),
        ("{catch_up: 1s}", "at catch_up: .*the last 10s at least"),
        ("{jitter: -1s}", "at jitter: .*cannot be negative"),
        ("{pause: yes}", "at pause: there is no such field"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        policies.read(annotated(text))
