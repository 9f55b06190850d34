"""Start a stack, run the examples through stock pyflyte, print their results, and stop.

The exit status is 0 if every example ends as expected.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from flyteidl.admin import (
    common_pb2,
    execution_pb2,
    launch_plan_pb2,
    node_execution_pb2,
    signal_pb2,
    task_execution_pb2,
)
from flyteidl.core import catalog_pb2, identifier_pb2, literals_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.service import admin_pb2_grpc, signal_pb2_grpc
from rich.console import Console
from rich.table import Table

from flytetemporal.cli.commands import why
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import naming, quantities
from scripts import backfilled_days, background_stack, forked_run, mail_catcher, notified_run, paused_run

ROOT = Path(__file__).resolve().parent.parent
PROJECT, DOMAIN = "flytesnacks", "development"
ERROR_LINES = 8
WAIT_SECONDS = 60.0
Phase, NodePhase = core_execution_pb2.WorkflowExecution, core_execution_pb2.NodeExecution
SUCCEEDED, FAILED, ABORTED = Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED


class Running:
    """A running execution, with the actions that a user would take on it."""

    def __init__(self, state: Mapping[str, Any], name: str, channel: grpc.Channel) -> None:
        self.id = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
        self._state = state
        self._channel = channel
        self._admin = admin_pb2_grpc.AdminServiceStub(channel)

    def approve(self) -> str:
        """Ask what it waits for, and approve."""
        self._wait_until_running("n1")
        explain = self._channel.unary_unary(
            why.EXPLAIN,
            request_serializer=operations_pb2.ExplainRequest.SerializeToString,
            response_deserializer=operations_pb2.ExplainResponse.FromString,
        )
        waits = explain(operations_pb2.ExplainRequest(execution_id=self.id, node_id="n1")).waits
        yes = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(boolean=True)))
        identifier = identifier_pb2.SignalIdentifier(signal_id="publish", execution_id=self.id)
        signals = signal_pb2_grpc.SignalServiceStub(self._channel)
        self._repeat(lambda: signals.SetSignal(signal_pb2.SignalSetRequest(id=identifier, value=yes)))
        return f"{waits[0].text if waits else 'n1 waited'} -- approved by this script"

    def abort(self) -> str:
        """Abort it once its task runs."""
        self._wait_until_running("n0")
        cause = "the demo has seen enough"
        self._admin.TerminateExecution(execution_pb2.ExecutionTerminateRequest(id=self.id, cause=cause))
        return "aborted by this script while its task ran"

    def kill_worker(self) -> str:
        """Kill the worker in the middle of the second step."""
        self._wait_until_running("n1")
        worker = self._state["processes"]["worker"]
        os.kill(worker, signal.SIGKILL)
        return f"the worker (process {worker}) was killed in the middle of the second step"

    def cleaned_up(self) -> str:
        """Return how the failure node ended."""
        self._wait_until(lambda: self._phase("fn0") in (NodePhase.SUCCEEDED, NodePhase.FAILED))
        ended = NodePhase.Phase.Name(self._phase("fn0") or 0)
        return f"failure node fn0 {ended}: it released what the workflow held"

    def scheduled(self) -> str:
        """Let a schedule launch the same workflow every two seconds, until there are two executions."""
        self._wait_until(lambda: self._phase("n0") is not None)
        workflow = self._admin.GetExecution(execution_pb2.WorkflowExecutionGetRequest(id=self.id)).closure.workflow_id
        plan = identifier_pb2.Identifier()
        plan.CopyFrom(workflow)
        plan.resource_type, plan.name = identifier_pb2.LAUNCH_PLAN, f"every_two_seconds_{self.id.name}"
        spec = launch_plan_pb2.LaunchPlanSpec(workflow_id=workflow)
        spec.entity_metadata.schedule.cron_schedule.schedule = "@every 2s"
        spec.entity_metadata.schedule.kickoff_time_input_arg = "day"
        self._admin.CreateLaunchPlan(launch_plan_pb2.LaunchPlanCreateRequest(id=plan, spec=spec))
        self._admin.UpdateLaunchPlan(launch_plan_pb2.LaunchPlanUpdateRequest(id=plan, state=launch_plan_pb2.ACTIVE))
        self._wait_until(lambda: len(self._launched(plan)) > 1)
        self._admin.UpdateLaunchPlan(launch_plan_pb2.LaunchPlanUpdateRequest(id=plan, state=launch_plan_pb2.INACTIVE))
        return f"its schedule, every two seconds, launched {' and '.join(self._launched(plan)[:2])}"

    def _launched(self, plan: identifier_pb2.Identifier) -> list[str]:
        listed = self._admin.ListExecutions(
            common_pb2.ResourceListRequest(
                id=common_pb2.NamedEntityIdentifier(project=plan.project, domain=plan.domain),
                filters=f"eq(launch_plan.name,{plan.name})",
                limit=10,
            )
        )
        return sorted(execution.id.name for execution in listed.executions)

    def cached(self) -> str:
        """Return what the cached node says of the cache."""
        self._wait_until(lambda: self._phase("n0") in (NodePhase.SUCCEEDED, NodePhase.FAILED))
        node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=self.id)
        found = self._admin.GetNodeExecution(node_execution_pb2.NodeExecutionGetRequest(id=node))
        metadata = found.closure.task_node_metadata
        source = metadata.catalog_key.source_task_execution.node_execution_id.execution_id.name
        status = catalog_pb2.CatalogCacheStatus.Name(metadata.cache_status)
        return f"n0 {status}" + (f": {source} has computed its outputs" if source else "")

    def memory_of_attempts(self) -> str:
        """Return how much memory each attempt of the task had."""
        self._wait_until(lambda: self._phase("n0") in (NodePhase.SUCCEEDED, NodePhase.FAILED))
        node = identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=self.id)
        attempts = self._admin.ListTaskExecutions(
            task_execution_pb2.TaskExecutionListRequest(node_execution_id=node, limit=10)
        ).task_executions
        had = [attempt.closure.custom_info.fields["memory"].string_value for attempt in attempts]
        return f"attempts had {', '.join(sorted(had, key=quantities.parse))}; each but the last ran out of memory"

    def fork(self) -> str:
        """Fork it into a version in which its bug is fixed, once it has failed."""
        self._wait_until(lambda: self._execution_phase(self.id) == FAILED)
        made, nodes = forked_run.begin(self._state, self.id)
        self._wait_until(lambda: self._execution_phase(made) == SUCCEEDED)
        return f"after a fix, forked into version {forked_run.VERSION} as {made.name}, which SUCCEEDED: {nodes}"

    def _execution_phase(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> int | None:
        try:
            found = self._admin.GetExecution(execution_pb2.WorkflowExecutionGetRequest(id=execution_id))
        except grpc.RpcError:
            return None  # It is not launched yet.
        return int(found.closure.phase)

    def _wait_until_running(self, node_id: str) -> None:
        self._wait_until(lambda: self._phase(node_id) == NodePhase.RUNNING)

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.id.name} did not reach the expected state within {WAIT_SECONDS:.0f} s")
            time.sleep(0.1)

    def _phase(self, node_id: str) -> int | None:
        identifier = identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=self.id)
        try:
            found = self._admin.GetNodeExecution(node_execution_pb2.NodeExecutionGetRequest(id=identifier))
        except grpc.RpcError:
            return None  # The node has not started.
        return int(found.closure.phase)

    def _repeat(self, call: Callable[[], object]) -> None:
        """Repeat a call until it succeeds: a signal can only be set when its gate has been reached."""

        def succeeds() -> bool:
            try:
                call()
            except grpc.RpcError:
                return False
            return True

        self._wait_until(succeeds)


@dataclass(frozen=True)
class Example:
    """An example. ``action`` is called while it runs, and returns a line to print. ``options`` are those of pyflyte."""

    module: str
    workflow: str
    expected: int = SUCCEEDED
    action: Callable[[Running], str] | None = None
    options: tuple[str, ...] = ()


EXAMPLES = (
    Example("hello", "hello_workflow"),
    Example("files_and_frames", "report_workflow"),
    Example("branches", "branch_workflow"),
    Example("nested", "nested_workflow"),
    Example("dynamic_plan", "dynamic_workflow"),
    Example("cached", "cached_workflow", action=Running.cached),
    Example("cached", "cached_workflow", action=Running.cached),
    Example("mapping", "mapping_workflow"),
    Example("child_plan", "parent_workflow"),
    Example("reporting", "reporting", action=Running.scheduled),
    Example("eager_steps", "eager_workflow"),
    Example("retries", "retry_workflow"),
    Example(
        "memory_ladder",
        "memory_workflow",
        action=Running.memory_of_attempts,
        options=("--annotations", "flytetemporal.io/memory=[{maximum: 1Gi}]"),
    ),
    Example("failing", "failing_workflow", FAILED),
    Example("forked", "train_and_report", FAILED, Running.fork),
    Example("approval", "approval_workflow", action=Running.approve),
    Example("clean_up", "clean_up_workflow", FAILED, Running.cleaned_up),
    Example("long_running", "long_workflow", ABORTED, Running.abort),
    Example("durable", "durable_workflow", action=Running.kill_worker),
)


@dataclass(frozen=True)
class Outcome:
    example: Example
    execution: execution_pb2.Execution
    outputs: literals_pb2.LiteralMap
    command_seconds: float
    remark: str

    @property
    def as_expected(self) -> bool:
        return self.execution.closure.phase == self.example.expected


def main() -> int:
    console = Console()
    console.print("Starting Postgres, Temporal, the Flyte API and a worker ...")
    started = time.monotonic()
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="flytetemporal-demo-") as scratch, mail_catcher.catching() as caught:
        os.environ.update(caught.settings)
        home = Path(scratch) / "home"
        with stack(home) as state:
            console.print(f"Ready in {time.monotonic() - started:.1f} s: {state['grpc_endpoint']} is a Flyte API now.")
            console.print("Each example runs by: pyflyte run --remote --wait examples/MODULE.py WORKFLOW")
            for example in EXAMPLES:
                outcome = run(example, state)
                show(console, outcome, state)
                outcomes.append(outcome)
            console.print(summary(outcomes))
            console.print("\n[bold]reporting[/bold], ten days of its schedule after the fact")
            backfill = backfilled_days.run(state)
            console.print(f"  {backfilled_days.line(backfill)}", style="yellow", highlight=False, soft_wrap=True)
            console.print("\n[bold]notified[/bold], which reports its end to a local mail server")
            for line in notified_run.run(state, caught):
                console.print(f"  {line}", style="yellow", highlight=False, markup=False, soft_wrap=True)
            console.print("\n[bold]durable[/bold], paused while the whole stack is restarted")
            pause = paused_run.begin(state)
            console.print(f"  {pause}", style="yellow", highlight=False, markup=False, soft_wrap=True)
        with stack(home) as state:
            phase = paused_run.finish(state)
            console.print(f"  resumed after the restart: {phase}", highlight=False)
    wrong = [outcome.example.module for outcome in outcomes if not outcome.as_expected]
    wrong += [] if phase == "SUCCEEDED" else ["the paused run"]
    wrong += [] if backfilled_days.is_complete(backfill) else ["the backfill"]
    if wrong:
        console.print(f"[red]not as expected: {', '.join(wrong)}[/red]")
        return 1
    console.print("All examples ended as expected; the stack has stopped.")
    return 0


def stack(home: Path) -> contextlib.AbstractContextManager[dict[str, Any]]:
    """Run a stack on a folder while the context is open."""
    return background_stack.running(home, options=("--memory-limits",), output=subprocess.DEVNULL)


def run(example: Example, state: Mapping[str, Any]) -> Outcome:
    """Run an example with the stock command line, and read its result from admin."""
    name = f"demo{secrets.token_hex(5)}"
    command = [str(Path(sys.executable).with_name("pyflyte")), "-c", state["client_config"], "run", "--remote"]
    command += ["--wait", "--poll-interval", "1", "--project", PROJECT, "--domain", DOMAIN, "--name", name]
    command += example.options
    started = time.monotonic()
    with (
        subprocess.Popen(
            [*command, f"examples/{example.module}.py", example.workflow],
            cwd=ROOT,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
        grpc.insecure_channel(state["grpc_endpoint"]) as channel,
    ):
        running = Running(state, name, channel)
        remark = example.action(running) if example.action is not None else ""
        printed, _ = process.communicate()
        seconds = time.monotonic() - started
        admin = admin_pb2_grpc.AdminServiceStub(channel)
        try:
            execution = admin.GetExecution(execution_pb2.WorkflowExecutionGetRequest(id=running.id))
            data = admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=running.id))
        except grpc.RpcError as e:
            raise SystemExit(f"{example.module}: pyflyte created no execution ({e})\n{printed}") from e
    return Outcome(example, execution, data.full_outputs, seconds, remark)


def show(console: Console, outcome: Outcome, state: Mapping[str, Any]) -> None:
    """Print the result of an example."""
    closure, execution_id = outcome.execution.closure, outcome.execution.id
    style = "green" if closure.phase == SUCCEEDED else "red"
    phase = Phase.Phase.Name(closure.phase)
    console.print(f"\n[bold]{outcome.example.module}[/bold] [{style}]{phase}[/{style}]")
    if outcome.remark:
        console.print(f"  {outcome.remark}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    for name, literal in sorted(outcome.outputs.literals.items()):
        console.print(f"  {name} = {rendered(literal)}", highlight=False, markup=False, soft_wrap=True)
    if closure.WhichOneof("output_result") == "error":
        # The exception and the user's own frames come first.
        for line in closure.error.message.partition("\n\n")[0].splitlines()[:ERROR_LINES]:
            console.print(f"  | {line}", style="red", highlight=False, markup=False, soft_wrap=True)
    if closure.WhichOneof("output_result") == "abort_metadata":
        console.print(f"  cause: {closure.abort_metadata.cause}", highlight=False, markup=False)
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
            Phase.Phase.Name(closure.phase),
            f"{closure.duration.ToTimedelta().total_seconds():.2f} s",
            f"{outcome.command_seconds:.1f} s",
        )
    return table


def rendered(literal: literals_pb2.Literal) -> str:
    """Return a value in a readable form; values that are not scalars in the text form of protobuf."""
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
    except CommandError as failed:
        sys.exit(failed.message)
