"""``flytetemporal skip``: ends a node with outputs that an operator gives."""

from typing import TextIO

import click

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands.operators import edits
from flytetemporal.contracts.v1 import edits_pb2


@click.command()
@admin_calls.execution_argument
@click.argument("node")
@click.option(
    "--outputs",
    type=click.File(),
    default=None,
    help='A JSON object with a value for each output, such as {"o0": 3}; - reads standard input. Default: no outputs.',
)
@edits.options
@admin_calls.with_admin
def skip(
    execution: str,
    node: str,
    outputs: TextIO | None,
    edit: edits_pb2.EditRequest,
    admin: admin_calls.Admin,
    output: str,
) -> None:
    """End NODE of EXECUTION with given outputs; it is held or has not started."""
    edit.execution_id.CopyFrom(admin.execution_id(execution))
    edit.skip.node_id = node
    edit.skip.json = outputs.read() if outputs is not None else "{}"
    edits.send(admin, edit, output, f"{node} ends with the given outputs when its turn comes", node)
