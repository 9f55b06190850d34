"""``flytetemporal why``: explains what an execution waits for."""

import click
from flyteidl.core import execution_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.contracts.v1 import operations_pb2

EXPLAIN = "/flytetemporal.v1.OperationsService/Explain"


@click.command()
@admin_calls.execution_argument
@click.argument("node", default="")
@printing.option
@admin_calls.with_admin
def why(execution: str, node: str, admin: admin_calls.Admin, output: str) -> None:
    """Explain why EXECUTION, or its node NODE, has not ended."""
    request = operations_pb2.ExplainRequest(execution_id=admin.execution_id(execution), node_id=node)
    answer = admin.call(EXPLAIN, request, operations_pb2.ExplainResponse)
    printing.show(output, answer, lambda: lines(request.execution_id.name, answer))


def lines(execution: str, answer: operations_pb2.ExplainResponse) -> list[str]:
    """Return the lines to print for an answer."""
    phase = execution_pb2.WorkflowExecution.Phase.Name(answer.phase)
    found = [f"{execution} is {phase}", *(f"  {note}" for note in answer.notes)]
    found += [f"  {wait.text}" for wait in answer.waits]
    if answer.more:
        found.append(f"  and {answer.more} more nodes; name a node to see it alone")
    return found
