"""Start a stack, run the examples through stock pyflyte, show what came out, stop. Exit status 0: all as expected."""

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import admin_pb2_grpc
from rich.console import Console
from rich.table import Table

from flytetemporal.cli import background
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.idl import naming

ROOT = Path(__file__).resolve().parent.parent
PROJECT, DOMAIN = "flytesnacks", "development"
ERROR_LINES = 8
SUCCEEDED, FAILED = core_execution_pb2.WorkflowExecution.SUCCEEDED, core_execution_pb2.WorkflowExecution.FAILED


@dataclass(frozen=True)
class Example:
    module: str
    workflow: str
    expected: int = SUCCEEDED


EXAMPLES = (
    Example("hello", "hello_workflow"),
    Example("files_and_frames", "report_workflow"),
    Example("branches", "branch_workflow"),
    Example("nested", "nested_workflow"),
    Example("retries", "retry_workflow"),
    Example("failing", "failing_workflow", FAILED),
)


@dataclass(frozen=True)
class Outcome:
    example: Example
    execution: execution_pb2.Execution
    outputs: literals_pb2.LiteralMap
    command_seconds: float

    @property
    def as_expected(self) -> bool:
        return self.execution.closure.phase == self.example.expected


def main() -> int:
    console = Console()
    console.print("Starting Postgres, Temporal, the Flyte API and a worker ...")
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="flytetemporal-demo-") as scratch,
        background.running(Path(scratch) / "home", output=subprocess.DEVNULL) as state,
    ):
        console.print(f"Ready in {time.monotonic() - began:.1f} s: {state['grpc_endpoint']} is a Flyte API now.")
        console.print("Each example runs by: pyflyte run --remote --wait examples/MODULE.py WORKFLOW")
        outcomes = []
        for example in EXAMPLES:
            outcome = run(example, state)
            show(console, outcome, state)
            outcomes.append(outcome)
        console.print(summary(outcomes))
    wrong = [outcome.example.module for outcome in outcomes if not outcome.as_expected]
    if wrong:
        console.print(f"[red]not as expected: {', '.join(wrong)}[/red]")
        return 1
    console.print("Everything came out as expected; the stack has stopped.")
    return 0


def run(example: Example, state: Mapping[str, Any]) -> Outcome:
    """Run one example to its end with the stock command line and read from admin what became of it."""
    name = f"demo{secrets.token_hex(5)}"
    command = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"], "run", "--remote"]
    command += ["--wait", "--poll-interval", "1", "--project", PROJECT, "--domain", DOMAIN, "--name", name]
    started = time.monotonic()
    finished = subprocess.run(
        [*command, f"examples/{example.module}.py", example.workflow],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    execution_id = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
    try:
        with grpc.insecure_channel(state["grpc_endpoint"]) as channel:
            admin = admin_pb2_grpc.AdminServiceStub(channel)
            execution = admin.GetExecution(execution_pb2.WorkflowExecutionGetRequest(id=execution_id))
            data = admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=execution_id))
    except grpc.RpcError as e:
        raise SystemExit(f"{example.module}: no execution came of it ({e})\n{finished.stdout}{finished.stderr}") from e
    return Outcome(example, execution, data.full_outputs, seconds)


def show(console: Console, outcome: Outcome, state: Mapping[str, Any]) -> None:
    """Print one example's result."""
    closure, execution_id = outcome.execution.closure, outcome.execution.id
    style = "green" if closure.phase == SUCCEEDED else "red"
    phase = core_execution_pb2.WorkflowExecution.Phase.Name(closure.phase)
    console.print(f"\n[bold]{outcome.example.module}[/bold] [{style}]{phase}[/{style}]")
    for name, literal in sorted(outcome.outputs.literals.items()):
        console.print(f"  {name} = {rendered(literal)}", highlight=False, markup=False, soft_wrap=True)
    if closure.WhichOneof("output_result") == "error":
        lines = [line for line in closure.error.message.splitlines() if line.strip(" ^")]
        for line in lines[-ERROR_LINES:]:
            console.print(f"  | {line}", style="red", highlight=False, markup=False, soft_wrap=True)
    path = f"{execution_id.project}/{execution_id.domain}/{execution_id.name}"
    temporal_id = naming.temporal_workflow_id(execution_id)
    console.print(f"  {state['http_url']}/api/v1/executions/{path}", style="cyan", soft_wrap=True, highlight=False)
    ui = f"{state['temporal_ui_url']}/namespaces/{state['temporal_namespace']}/workflows/{temporal_id}"
    console.print(f"  {ui}", style="cyan", soft_wrap=True, highlight=False)


def summary(outcomes: list[Outcome]) -> Table:
    table = Table("example", "phase", "execution", "pyflyte command", title="\nTimes", title_justify="left")
    for outcome in outcomes:
        closure = outcome.execution.closure
        table.add_row(
            outcome.example.module,
            core_execution_pb2.WorkflowExecution.Phase.Name(closure.phase),
            f"{closure.duration.ToTimedelta().total_seconds():.2f} s",
            f"{outcome.command_seconds:.1f} s",
        )
    return table


def rendered(literal: literals_pb2.Literal) -> str:
    """Return a value as a reader wants to see it; what is no scalar keeps its text form."""
    scalar = literal.scalar
    match scalar.WhichOneof("value"):
        case "primitive":
            return str(getattr(scalar.primitive, scalar.primitive.WhichOneof("value")))
        case "blob":
            return str(scalar.blob.uri)
        case "structured_dataset":
            return str(scalar.structured_dataset.uri)
        case _:
            return str(literal).replace("\n", " ")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CommandFailed as failed:
        sys.exit(failed.message)
