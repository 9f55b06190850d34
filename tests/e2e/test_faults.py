"""A short version of ``make faults``: every process is killed at random, and nothing is lost."""

import pytest

from faults import __main__ as suite
from faults import deliveries, launches, projects, removals, schedules, single_flight


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_stuck_or_contradictory_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    clean = suite.run(runs=100, seed=7, kill_every=3.0, store_failures=0.01, concurrency=60, settle=240.0, keep=False)

    assert clean, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_nothing_is_lost_or_stuck_or_contradictory_if_the_store_dies_too(capsys: pytest.CaptureFixture[str]) -> None:
    clean = suite.run(
        runs=15,
        seed=1,
        kill_every=5.0,
        store_failures=0.01,
        concurrency=15,
        settle=240.0,
        keep=False,
        store_kind="s3",
    )

    assert clean, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_what_many_runs_need_is_computed_once_though_the_worker_that_computes_it_is_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    computed_once = single_flight.run(runs=12, kills=2)

    assert computed_once, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_every_time_of_an_active_schedule_launches_one_execution_whatever_dies(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clean = schedules.run(rounds=2, seed=3, kill_every=4.0)

    assert clean, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_every_end_is_notified_and_every_event_sent_in_order_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    clean = deliveries.run(runs=15, seed=5, kill_every=4.0)

    assert clean, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_a_backfill_and_triggers_launch_everything_once_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    clean = launches.run(runs=12, seed=6, kill_every=4.0)

    assert clean, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_nothing_is_half_removed_and_what_must_stay_stays_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    clean = removals.run(runs=15, seed=7, kill_every=4.0)

    assert clean, capsys.readouterr().out


@pytest.mark.timeout(900)
def test_a_project_is_deleted_with_everything_whatever_dies(capsys: pytest.CaptureFixture[str]) -> None:
    clean = projects.run(runs=4, seed=9, kill_every=12.0)

    assert clean, capsys.readouterr().out
