"""How `flytetemporal backfill` reads what is typed, and shows what it knows."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner

from flytetemporal.cli.commands.backfills import start
from flytetemporal.cli.commands.backfills.backfill import backfill
from flytetemporal.cli.views import backfills as views
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import times

NOWHERE = ["--endpoint", "127.0.0.1:1"]


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-01-31T06:00Z", None, datetime(2026, 1, 31, 6, tzinfo=UTC)),
        ("2026-01-31T06:00+02:00", "Asia/Tokyo", datetime(2026, 1, 31, 4, tzinfo=UTC)),
        ("2026-01-31", "Europe/Berlin", datetime(2026, 1, 30, 23, tzinfo=UTC)),
    ],
)
def test_a_time_has_its_own_zone_or_the_one_of_the_option(text: str, zone: str | None, expected: datetime) -> None:
    assert start._moment(text, ZoneInfo(zone) if zone else None, "--from") == expected


def test_now_is_a_time() -> None:
    assert start._moment("now", None, "--to") <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--from", "2026-01-01", "--to", "now"], "'2026-01-01' has no time zone: write 2026-01-31T06:00Z"),
        (["--from", "yesterday", "--to", "now"], "'yesterday' is no time: write 2026-01-31T06:00Z"),
        (["--from", "0001-01-01T00:00+10:00", "--to", "now"], "is out of range"),
        (["--from", "2026-01-01", "--to", "now", "--time-zone", "Mars"], "'Mars' is no time zone: write Europe/Berlin"),
        (["--from", "2026-01-01Z"], "Missing option '--to'"),
        (["--from", "2026-01-01T00:00Z", "--to", "now", "--parallel", "0"], "0 is not in the range"),
    ],
)
def test_a_range_that_cannot_be_read_is_refused_before_any_call(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(backfill, ["plan", *arguments, *NOWHERE], terminal_width=200)

    assert result.exit_code == 2
    assert says in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "--from", "2026-01-01T00:00Z", "--to", "now"],
        ["start", "plan", "--from", "2026-01-01T00Z", "--to", "now"],
    ],
)
def test_without_the_name_of_a_command_a_launch_plan_is_meant(arguments: list[str]) -> None:
    result = CliRunner().invoke(backfill, [*arguments, *NOWHERE])

    assert result.exit_code == 1, "it has called admin, where nobody listens"


def test_help_is_that_of_the_group() -> None:
    assert "cancel" in CliRunner().invoke(click.Group(commands={"backfill": backfill}), ["backfill", "--help"]).output


def test_a_state_of_times_that_does_not_exist_is_refused() -> None:
    result = CliRunner().invoke(backfill, ["runs", "b1", "--state", "lost", *NOWHERE])

    assert result.exit_code == 2
    assert "pending, running, succeeded, failed, skipped, cancelled" in " ".join(result.output.split())


def test_a_backfill_is_shown_with_its_progress_and_what_it_waits_for() -> None:
    found = backfills_pb2.Backfill(
        id=backfills_pb2.BackfillId(name="b1"),
        parallel=2,
        counts=backfills_pb2.BackfillCounts(total=10, pending=3, running=1, succeeded=4, failed=1, skipped=1),
        waits_for="project p is paused by ada",
        start=times.timestamp(datetime(2026, 1, 1, tzinfo=UTC)),
    )

    text = "\n".join(views.fields(found))

    assert "6 of 10 launched, 1 running, 4 succeeded, 1 failed, 1 skipped" in text
    assert "project p is paused by ada" in text
    assert views.table(backfills_pb2.ListBackfillsResponse()) == ["no backfills"]
    listed = views.table(backfills_pb2.ListBackfillsResponse(backfills=[found], token="7"))
    assert listed[1].startswith("b1")
    assert "there are more" in listed[-1]
