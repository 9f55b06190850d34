"""``flytetemporal backfill pause | resume | cancel | set``."""

from collections.abc import Callable
from typing import Any

import click

from flytetemporal.cli import admin_calls, printing, users
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import backfills as views
from flytetemporal.contracts.v1 import backfills_pb2

OPERATIONS = "/flytetemporal.v1.OperationsService/"
State = backfills_pb2.Backfill


def identifier(admin: Admin, name: str) -> backfills_pb2.BackfillId:
    """Return the id of a backfill of the project and domain."""
    return backfills_pb2.BackfillId(project=admin.project, domain=admin.domain, name=name)


def _of_backfill(command: Callable[..., None]) -> Callable[..., None]:
    for decorate in (
        admin_calls.with_admin,
        printing.option,
        click.option("--reason", default="", help="Why; others see it."),
        users.option,
        click.argument("name"),
    ):
        command = decorate(command)
    return command


@click.command()
@_of_backfill
def pause(name: str, **given: Any) -> None:
    """Let the backfill NAME launch nothing until it is resumed; what it has launched runs on."""
    _set(name, State.PAUSED, "is paused", **given)


@click.command()
@_of_backfill
def resume(name: str, **given: Any) -> None:
    """Let the backfill NAME, which is paused, continue."""
    _set(name, State.RUNNING, "is resumed", **given)


@click.command()
@_of_backfill
@click.option("--abort-running", is_flag=True, help="Abort the executions that it has launched and that run.")
def cancel(name: str, **given: Any) -> None:
    """Let the backfill NAME launch nothing more."""
    _set(name, State.CANCELLED, "is cancelled", **given)


@click.command("set")
@_of_backfill
@click.option("--parallel", type=click.IntRange(1, 100), required=True, help="Executions at once.")
def change(name: str, parallel: int, by: str, reason: str, output: str, admin: Admin) -> None:
    """Change how many executions of the backfill NAME run at once; if more of them run, they run on."""
    request = backfills_pb2.ChangeBackfillRequest(
        id=identifier(admin, name), parallel=parallel, reason=reason, changed_by=by
    )
    answer = admin.call(f"{OPERATIONS}ChangeBackfill", request, backfills_pb2.ChangeBackfillResponse)
    before = "" if answer.has_changed else " already"
    printing.show(output, answer, lambda: [f"backfill {name} runs {answer.backfill.parallel} at once{before}"])


def _set(
    name: str,
    state: backfills_pb2.Backfill.State,
    done: str,
    *,
    by: str,
    reason: str,
    output: str,
    admin: Admin,
    abort_running: bool = False,
) -> None:
    request = backfills_pb2.SetBackfillStateRequest(
        id=identifier(admin, name), state=state, abort_running=abort_running, reason=reason, changed_by=by
    )
    answer = admin.call(f"{OPERATIONS}SetBackfillState", request, backfills_pb2.SetBackfillStateResponse)
    before = "" if answer.has_changed else " already"
    printing.show(output, answer, lambda: [f"backfill {name} {done}{before}: {views.progress(answer.backfill.counts)}"])
