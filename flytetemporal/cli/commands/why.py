"""``flytetemporal why``: explains what an execution waits for."""

import click
from flyteidl.core import execution_pb2, identifier_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.dev import state_folder
from flytetemporal.contracts.v1 import operations_pb2

EXPLAIN = "/flytetemporal.v1.OperationsService/Explain"


@click.command()
@click.argument("execution")
@click.argument("node", default="")
@admin_calls.options
def why(execution: str, node: str, project: str, domain: str, endpoint: str, *, secure: bool) -> None:
    """Explain why EXECUTION, or its node NODE, has not ended."""
    identifier = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=execution)
    answer = admin_calls.call(
        endpoint or admin_calls.endpoint(state_folder.default_path()),
        EXPLAIN,
        operations_pb2.ExplainRequest(execution_id=identifier, node_id=node),
        operations_pb2.ExplainResponse,
        secure=secure,
    )
    for line in lines(execution, answer):
        click.echo(line)


def lines(execution: str, answer: operations_pb2.ExplainResponse) -> list[str]:
    """Return the lines to print for an answer."""
    phase = execution_pb2.WorkflowExecution.Phase.Name(answer.phase)
    found = [f"{execution} is {phase}", *(f"  {note}" for note in answer.notes)]
    found += [f"  {wait.text}" for wait in answer.waits]
    if answer.more:
        found.append(f"  and {answer.more} more nodes; name a node to see it alone")
    return found
