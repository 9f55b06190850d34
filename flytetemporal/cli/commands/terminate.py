"""``flytetemporal terminate``: aborts an execution, if need be by force."""

import click
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.dev import state_folder
from flytetemporal.contracts.v1 import operations_pb2

TERMINATE = "/flyteidl.service.AdminService/TerminateExecution"
FORCE_TERMINATE = "/flytetemporal.v1.OperationsService/ForceTerminate"


@click.command()
@click.argument("execution")
@click.option("--cause", required=True, help="The reason; clients see it.")
@click.option("--force", is_flag=True, help="End it at once, without cleanup and without a worker.")
@admin_calls.options
def terminate(
    execution: str, cause: str, project: str, domain: str, endpoint: str, *, force: bool, secure: bool
) -> None:
    """Abort EXECUTION."""
    target = endpoint or admin_calls.endpoint(state_folder.default_path())
    identifier = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=execution)
    if force:
        forced = operations_pb2.ForceTerminateRequest(execution_id=identifier, cause=cause)
        admin_calls.call(target, FORCE_TERMINATE, forced, operations_pb2.ForceTerminateResponse, secure=secure)
        click.echo(f"{execution} has ended")
        return
    request = execution_pb2.ExecutionTerminateRequest(id=identifier, cause=cause)
    admin_calls.call(target, TERMINATE, request, execution_pb2.ExecutionTerminateResponse, secure=secure)
    click.echo(f"{execution} is being aborted; see its progress with: flytetemporal why {execution}")
