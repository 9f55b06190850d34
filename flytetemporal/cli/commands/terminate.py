"""``flytetemporal terminate``: aborts an execution, if need be by force."""

import click
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import operations_pb2

TERMINATE = "/flyteidl.service.AdminService/TerminateExecution"
GET_EXECUTION = "/flyteidl.service.AdminService/GetExecution"
# Flyte's text, which names neither the execution nor its phase.
ENDED = "already terminated workflow execution"
FORCE_TERMINATE = "/flytetemporal.v1.OperationsService/ForceTerminate"


@click.command()
@admin_calls.execution_argument
@click.option("--reason", default="", help="Why; clients see it.  [required]")
@click.option("--cause", default="", hidden=True)  # The name of this option in earlier versions.
@click.option("--force", is_flag=True, help="End it at once, without cleanup and without a worker.")
@printing.option
@admin_calls.with_admin
def terminate(execution: str, reason: str, cause: str, output: str, admin: admin_calls.Admin, *, force: bool) -> None:
    """Abort EXECUTION."""
    cause = reason or cause
    if not cause:
        raise click.UsageError("say why, with --reason; clients see it")
    identifier = admin.execution_id(execution)
    if force:
        forced = operations_pb2.ForceTerminateRequest(execution_id=identifier, cause=cause)
        admin.call(FORCE_TERMINATE, forced, operations_pb2.ForceTerminateResponse)
        printing.show(output, forced, lambda: [f"{identifier.name} has ended"])
        return
    request = execution_pb2.ExecutionTerminateRequest(id=identifier, cause=cause)
    try:
        admin.call(TERMINATE, request, execution_pb2.ExecutionTerminateResponse)
    except CommandError as e:
        if ENDED not in e.message:
            raise
        raise CommandError(_ended(admin, identifier)) from e
    said = f"{identifier.name} is being aborted; see its progress with: flytetemporal why {execution}"
    printing.show(output, request, lambda: [said])


def _ended(admin: admin_calls.Admin, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    request = execution_pb2.WorkflowExecutionGetRequest(id=identifier)
    found = admin.call(GET_EXECUTION, request, execution_pb2.Execution)
    phase = core_execution_pb2.WorkflowExecution.Phase.Name(found.closure.phase)
    return f"execution {identifier.project}:{identifier.domain}:{identifier.name} has ended already: it is {phase}"
