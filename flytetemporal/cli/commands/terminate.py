"""``flytetemporal terminate``: end an execution, by force if need be."""

import click
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli.commands import admin_channel
from flytetemporal.cli.dev import home
from flytetemporal.contracts.v1 import operations_pb2

TERMINATE = "/flyteidl.service.AdminService/TerminateExecution"
FORCE_TERMINATE = "/flytetemporal.v1.OperationsService/ForceTerminate"


@click.command()
@click.argument("execution")
@click.option("--cause", required=True, help="Kept with the execution.")
@click.option("--force", is_flag=True, help="Do not wait for clean-up, nor for a worker.")
@admin_channel.options
def terminate(
    execution: str, cause: str, project: str, domain: str, endpoint: str, *, force: bool, secure: bool
) -> None:
    """Abort EXECUTION."""
    target = endpoint or admin_channel.endpoint(home.default_folder())
    identifier = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=execution)
    if force:
        forced = operations_pb2.ForceTerminateRequest(execution_id=identifier, cause=cause)
        admin_channel.call(target, FORCE_TERMINATE, forced, operations_pb2.ForceTerminateResponse, secure=secure)
        click.echo(f"{execution} is over")
        return
    asked = execution_pb2.ExecutionTerminateRequest(id=identifier, cause=cause)
    admin_channel.call(target, TERMINATE, asked, execution_pb2.ExecutionTerminateResponse, secure=secure)
    click.echo(f"{execution} is being aborted; flytetemporal why {execution} tells how far that is")
