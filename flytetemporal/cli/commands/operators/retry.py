"""``flytetemporal retry``: runs a held node again."""

import click

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands.operators import edits
from flytetemporal.contracts.v1 import edits_pb2


@click.command()
@admin_calls.execution_argument
@click.argument("node")
@edits.options
@admin_calls.with_admin
def retry(execution: str, node: str, edit: edits_pb2.EditRequest, admin: admin_calls.Admin, output: str) -> None:
    """Run NODE of EXECUTION again, which has failed and is held."""
    edit.execution_id.CopyFrom(admin.execution_id(execution))
    edit.retry.node_id = node
    edits.send(admin, edit, output, f"{node} runs again", node)
