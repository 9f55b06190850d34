"""``flytetemporal backfill start``, or ``flytetemporal backfill LAUNCH_PLAN``."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from flytetemporal.cli import admin_calls, printing, users
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.commands.backfills.controls import OPERATIONS
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import backfills as views
from flytetemporal.contracts.v1 import backfills_pb2
from flytetemporal.idl import times

MOST = 10_000
_FORMS = "write 2026-01-31T06:00Z, 2026-01-31T06:00+02:00 or now"


@click.command()
@click.argument("launch_plan")
@click.option("--version", default="", help="Version of the launch plan; default: the active one, else the newest.")
@click.option("--from", "start_text", required=True, help="Launch times from this one on: 2026-01-31T06:00Z.")
@click.option("--to", "end_text", required=True, help="Launch times before this one; `now` at the latest.")
@click.option("--time-zone", default="", help="Time zone of --from and --to if they name none: Europe/Berlin.")
@click.option("--parallel", type=click.IntRange(1, 100), default=1, show_default=True, help="Executions at once.")
@click.option("--newest-first", is_flag=True, help="Start with the newest time, not with the oldest.")
@click.option("--failed-only", is_flag=True, help="Launch only those times again whose execution did not succeed.")
@click.option("--dry-run", is_flag=True, help="Only count the times.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--allow", type=click.IntRange(0, MOST), default=0, help="Allow this many times, above the limit.")
@click.option("--request-id", default="", help="Name of this call; a repeated call starts nothing again.")
@click.option("--reason", default="", help="Recorded with the backfill.")
@users.option
@printing.option
@admin_calls.with_admin
def start(
    launch_plan: str, start_text: str, end_text: str, time_zone: str, admin: Admin, output: str, **given: Any
) -> None:
    """Launch the times of the schedule of LAUNCH_PLAN from --from on and before --to, active or not.

    Times that ran already are skipped. Without --yes it counts first, and asks.
    """
    zone = _zone(time_zone)
    request = backfills_pb2.StartBackfillRequest(
        parallel=given["parallel"],
        newest_first=given["newest_first"],
        failed_only=given["failed_only"],
        allowed_runs=given["allow"],
        request_id=given["request_id"],
        reason=given["reason"],
        started_by=given["by"],
    )
    plan = request.launch_plan
    plan.project, plan.domain, plan.name, plan.version = admin.project, admin.domain, launch_plan, given["version"]
    request.start.CopyFrom(times.timestamp(_moment(start_text, zone, "--from")))
    request.end.CopyFrom(times.timestamp(_moment(end_text, zone, "--to")))
    if given["dry_run"] or not given["yes"]:
        request.dry_run = True
        planned = _call(admin, request)
        if given["dry_run"]:
            printing.show(output, planned, lambda: [views.planned(planned)])
            return
        number = planned.backfill.counts.total
        if number > MOST:
            raise CommandError(f"{views.planned(planned)}: a backfill has {MOST} at most, so give a shorter range")
        click.confirm(f"{views.planned(planned)}. Launch them?", abort=True, err=True)
        # Whoever says yes has seen the number.
        request.dry_run, request.allowed_runs = False, number
    answer = _call(admin, request)
    printing.show(output, answer, lambda: views.started(answer))


def _call(admin: Admin, request: backfills_pb2.StartBackfillRequest) -> backfills_pb2.StartBackfillResponse:
    return admin.call(f"{OPERATIONS}StartBackfill", request, backfills_pb2.StartBackfillResponse)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError, KeyError) as e:  # Of names that are no files, folders, or not found.
        raise click.BadParameter(
            f"{name!r} is no time zone: write Europe/Berlin or UTC", param_hint="--time-zone"
        ) from e


def _moment(text: str, zone: ZoneInfo | None, option: str) -> datetime:
    """Return the time that the user wrote. Raises ``click.BadParameter``."""
    if text == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise click.BadParameter(f"{text!r} is no time: {_FORMS}", param_hint=option) from e
    if moment.tzinfo is None and zone is None:
        raise click.BadParameter(
            f"{text!r} has no time zone: {_FORMS}, or name one with --time-zone", param_hint=option
        )
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as e:
        raise click.BadParameter(f"{text!r} is out of range: {_FORMS}", param_hint=option) from e
