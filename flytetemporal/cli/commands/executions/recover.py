"""``flytetemporal recover``: runs again what has not succeeded in an execution."""

import click
from flyteidl.admin import execution_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin

RECOVER = "/flyteidl.service.AdminService/RecoverExecution"


@click.command()
@admin_calls.execution_argument
@click.option("--name", default="", help="Name of the new execution; default: a generated one.")
@printing.option
@admin_calls.with_admin
def recover(execution: str, name: str, output: str, admin: Admin) -> None:
    """Start an execution that runs only what has not succeeded in EXECUTION, which has ended."""
    request = execution_pb2.ExecutionRecoverRequest(id=admin.execution_id(execution), name=name)
    answer = admin.call(RECOVER, request, execution_pb2.ExecutionCreateResponse)
    printing.show(output, answer, lambda: [f"{answer.id.name} recovers {request.id.name}"])
