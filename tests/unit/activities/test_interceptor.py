"""Denied access to the store is retried by Temporal for a while, and is final then."""

import dataclasses

import pytest
from temporalio.api.failure.v1 import Failure
from temporalio.converter import default
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from flytetemporal.activities.interceptor import Denials, translated
from flytetemporal.errors import FlyteError, NotFound, StoreAccessDenied, Unavailable
from flytetemporal.plugins import transient


def is_final(denials: Denials, error: FlyteError | None, activity_id: str = "1") -> bool:
    """Run a try of an activity that ends with ``error``; return whether Temporal repeats it no more."""
    environment = ActivityEnvironment()
    environment.info = dataclasses.replace(environment.info, activity_id=activity_id)

    def work() -> None:
        with translated(), denials.counted():
            if error is not None:
                raise error

    if error is None:
        environment.run(work)
        return False
    with pytest.raises(ApplicationError) as raised:
        environment.run(work)
    return raised.value.non_retryable


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the second denial of an activity be the last."""
    monkeypatch.setattr(transient, "DENIED_SECONDS", 1e-9)


def test_access_that_is_denied_again_and_again_is_final_in_the_end(at_once: None) -> None:
    denials, denied = Denials(), StoreAccessDenied("the object store denies access to s3://a/b")

    assert [is_final(denials, denied), is_final(denials, denied)] == [False, True]


def test_denied_access_is_repeated_for_a_while() -> None:
    denials, denied = Denials(), StoreAccessDenied("denied")

    assert [is_final(denials, denied), is_final(denials, denied)] == [False, False]


@pytest.mark.parametrize("between", [None, Unavailable("the store starts")])
def test_denials_count_only_one_after_the_other(at_once: None, between: FlyteError | None) -> None:
    denials, denied = Denials(), StoreAccessDenied("denied")

    assert [is_final(denials, error) for error in (denied, between, denied)] == [False, False, False]


def test_each_activity_has_its_own_patience(at_once: None) -> None:
    denials, denied = Denials(), StoreAccessDenied("denied")

    assert [is_final(denials, denied, activity_id) for activity_id in ("1", "2")] == [False, False]


@pytest.mark.parametrize("kind", [StoreAccessDenied, Unavailable, NotFound])
def test_what_temporal_gets_of_an_error_is_short_whatever_the_store_said(kind: type[FlyteError]) -> None:
    said = OSError("a traceback of botocore's " * 1000)

    def work() -> None:
        with translated(), Denials().counted():
            raise kind("the object store denies access to s3://a/b") from said

    with pytest.raises(ApplicationError) as raised:
        ActivityEnvironment().run(work)
    failure = Failure()
    converter = default()
    converter.failure_converter.to_failure(raised.value, converter.payload_converter, failure)

    assert failure.application_failure_info.type == kind.__name__
    assert not failure.HasField("cause")
    assert len(failure.SerializeToString()) < 2000
