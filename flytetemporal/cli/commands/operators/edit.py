"""``flytetemporal edit``: changes a running execution."""

import click

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands.operators import edits
from flytetemporal.contracts.v1 import edits_pb2


@click.command()
@admin_calls.execution_argument
@click.option(
    "--on-failure",
    type=click.Choice(["hold", "fail"]),
    default="",
    help="hold: nodes that would fail wait for `retry` or `skip`. fail: they fail, also those that are held.",
)
@edits.options
@admin_calls.with_admin
def edit(execution: str, on_failure: str, edit: edits_pb2.EditRequest, admin: admin_calls.Admin, output: str) -> None:
    """Change EXECUTION while it runs."""
    edit.execution_id.CopyFrom(admin.execution_id(execution))
    edit.execution.on_failure = on_failure
    edits.send(admin, edit, output, f"{edit.execution_id.name} is changed")
