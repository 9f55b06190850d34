"""``flytetemporal pauses``: lists what is paused."""

import click

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.views import pauses as views
from flytetemporal.contracts.v1 import pauses_pb2

LIST_PAUSES = "/flytetemporal.v1.OperationsService/ListPauses"


@click.command()
@click.argument("execution", default="")
@click.option("--limit", default=100, show_default=True, help="List at most this many, newest first.")
@printing.option
@admin_calls.with_admin
def pauses(execution: str, limit: int, admin: admin_calls.Admin, output: str) -> None:
    """List what is paused in the project and domain, or the pauses that apply to EXECUTION."""
    request = pauses_pb2.ListPausesRequest(project=admin.project, domain=admin.domain, limit=limit)
    if execution:
        identifier = admin.execution_id(execution)
        request = pauses_pb2.ListPausesRequest(
            project=identifier.project, domain=identifier.domain, execution=identifier.name
        )
    answer = admin.call(LIST_PAUSES, request, pauses_pb2.ListPausesResponse)
    printing.show(output, answer, lambda: views.lines(answer))
