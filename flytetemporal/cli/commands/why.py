"""``flytetemporal why``: what an execution waits for."""

import click
from flyteidl.core import execution_pb2, identifier_pb2

from flytetemporal.cli.commands import admin_channel
from flytetemporal.cli.dev import home
from flytetemporal.contracts.v1 import operations_pb2

EXPLAIN = "/flytetemporal.v1.OperationsService/Explain"


@click.command()
@click.argument("execution")
@click.argument("node", default="")
@admin_channel.options
def why(execution: str, node: str, project: str, domain: str, endpoint: str, *, secure: bool) -> None:
    """Say why EXECUTION, or one NODE of it, has not ended."""
    identifier = identifier_pb2.WorkflowExecutionIdentifier(project=project, domain=domain, name=execution)
    answer = admin_channel.call(
        endpoint or admin_channel.endpoint(home.default_folder()),
        EXPLAIN,
        operations_pb2.ExplainRequest(execution_id=identifier, node_id=node),
        operations_pb2.ExplainResponse,
        secure=secure,
    )
    for line in lines(execution, answer):
        click.echo(line)


def lines(execution: str, answer: operations_pb2.ExplainResponse) -> list[str]:
    """Return what is printed of an answer."""
    phase = execution_pb2.WorkflowExecution.Phase.Name(answer.phase)
    found = [f"{execution} is {phase}", *(f"  {note}" for note in answer.notes)]
    found += [f"  {wait.text}" for wait in answer.waits]
    if answer.more:
        found.append(f"  and {answer.more} more nodes; name one to ask for it alone")
    return found
