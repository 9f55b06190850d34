"""``flytetemporal backfill``: launches times of a schedule that have passed."""

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.commands.backfills.controls import OPERATIONS, cancel, change, identifier, pause, resume
from flytetemporal.cli.commands.backfills.start import start
from flytetemporal.cli.views import backfills as views
from flytetemporal.contracts.v1 import backfills_pb2


class _StartsByDefault(click.Group):
    """A group that takes its first argument as a launch plan to start with, unless it names a sub-command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Add the sub-command that is meant."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["start", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_StartsByDefault)
def backfill() -> None:
    """Launch the times of a schedule in a range that has passed.

    Without the name of a command, `start` is meant: flytetemporal backfill LAUNCH_PLAN --from TIME --to TIME
    """


@backfill.command("ls")
@click.argument("launch_plan", default="")
@click.option("--limit", default=100, show_default=True, help="List at most this many, newest first.")
@printing.option
@admin_calls.with_admin
def list_backfills(launch_plan: str, limit: int, output: str, admin: Admin) -> None:
    """List the backfills of the project and domain, or those of LAUNCH_PLAN."""
    request = backfills_pb2.ListBackfillsRequest(
        project=admin.project, domain=admin.domain, launch_plan=launch_plan, limit=limit
    )
    found = admin.call(f"{OPERATIONS}ListBackfills", request, backfills_pb2.ListBackfillsResponse)
    if not found.backfills:
        admin.check_project()
    printing.show(output, found, lambda: views.table(found))


@backfill.command()
@click.argument("name")
@printing.option
@admin_calls.with_admin
def get(name: str, output: str, admin: Admin) -> None:
    """Show the progress of the backfill NAME, with the times that have failed."""
    wanted = identifier(admin, name)
    found = admin.call(f"{OPERATIONS}GetBackfill", backfills_pb2.GetBackfillRequest(id=wanted), backfills_pb2.Backfill)
    printing.show(output, found, lambda: [*views.fields(found), *views.runs(_failed(admin, wanted))])


def _failed(admin: Admin, wanted: backfills_pb2.BackfillId) -> backfills_pb2.ListBackfillRunsResponse:
    request = backfills_pb2.ListBackfillRunsRequest(id=wanted, state=backfills_pb2.BackfillRun.FAILED, limit=20)
    return admin.call(f"{OPERATIONS}ListBackfillRuns", request, backfills_pb2.ListBackfillRunsResponse)


@backfill.command("runs")
@click.argument("name")
@click.option("--state", default="", help="Only times in this state, such as failed or skipped.")
@click.option("--limit", default=100, show_default=True, help="List at most this many, oldest time first.")
@printing.option
@admin_calls.with_admin
def list_runs(name: str, state: str, limit: int, output: str, admin: Admin) -> None:
    """List the times of the backfill NAME, with their executions."""
    states = backfills_pb2.BackfillRun.State
    if state and state.upper() not in states.keys():  # noqa: SIM118  it is no dictionary
        known = ", ".join(one.lower() for one in states.keys()[1:])
        raise click.BadParameter(f"{state!r} is no state: {known}", param_hint="--state")
    request = backfills_pb2.ListBackfillRunsRequest(
        id=identifier(admin, name), state=state.upper() or "UNSPECIFIED", limit=limit
    )
    found = admin.call(f"{OPERATIONS}ListBackfillRuns", request, backfills_pb2.ListBackfillRunsResponse)
    printing.show(output, found, lambda: views.runs(found))


for _command in (start, pause, resume, cancel, change):
    backfill.add_command(_command)
