"""``flytetemporal fork``: a new execution that reuses what succeeded in another one."""

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, task_pb2
from flyteidl.core import identifier_pb2, types_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import input_values, listing
from flytetemporal.contracts.v1 import fork_pb2

FORK = "/flytetemporal.v1.OperationsService/Fork"
_SERVICE = listing.ADMIN_SERVICE
_SETTING = re.compile(r"(?P<node>[^=]+)\.(?P<resource>[a-z-]+)=(?P<quantity>.+)")


@click.command()
@admin_calls.execution_argument
@click.option("--from", "from_nodes", multiple=True, metavar="NODE", help="Run NODE and what follows again.")
@click.option("--inputs", "path", type=click.Path(path_type=Path), metavar="FILE", help="New inputs, JSON or YAML.")
@click.option("--version", default="", help="Version of the launch plan or task to run; default: the same.")
@click.option("--set", "settings", multiple=True, metavar="NODE.RESOURCE=QUANTITY", help="As in n3.memory=8Gi.")
@click.option("--overwrite-cache", is_flag=True, help="Nodes that run take nothing from the cache of outputs.")
@click.option("--dry-run", is_flag=True, help="Say what is reused and what runs again, and start nothing.")
@click.option("--name", default="", help="Name of the new execution; default: a generated one.")
@printing.option
@admin_calls.with_admin
def fork(
    execution: str,
    from_nodes: tuple[str, ...],
    path: Path | None,
    version: str,
    settings: tuple[str, ...],
    name: str,
    output: str,
    admin: Admin,
    *,
    overwrite_cache: bool,
    dry_run: bool,
) -> None:
    """Start an execution that reuses what succeeded in EXECUTION, which may still run, and runs the rest again."""
    request = fork_pb2.ForkRequest(
        execution_id=admin.execution_id(execution),
        from_nodes=from_nodes,
        version=version,
        resources=[_resource(text) for text in settings],
        dry_run=dry_run,
        name=name,
        overwrite_cache=overwrite_cache,
    )
    if path is not None:
        values = input_values.read(path)
        expected = _expected(admin, request.execution_id, version)
        request.inputs.CopyFrom(input_values.literals(values, expected))
    request.request_id = _request_id(request)
    answer = admin.call(FORK, request, fork_pb2.ForkResponse)
    printing.show(output, answer, lambda: lines(request.execution_id.name, answer))


def lines(source: str, answer: fork_pb2.ForkResponse) -> Iterator[str]:
    """Yield the lines to print for an answer."""
    if answer.nodes:
        rows = [[node.node_id, node.name, "reused" if node.reused else "runs", node.reason] for node in answer.nodes]
        yield from printing.table(["node", "name", "decision", "reason"], rows)
        hidden = answer.reused + answer.run_again - len(answer.nodes)
        if hidden:
            yield f"and {hidden} more nodes"
    counts = f"{answer.reused} nodes are reused, {answer.run_again} run"
    if not answer.HasField("execution_id"):
        yield f"a fork of {source}: {counts}; nothing was started"
        return
    yield f"{answer.execution_id.name} forks {source}: {counts}"


def _resource(text: str) -> fork_pb2.NodeResource:
    found = _SETTING.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not of the form NODE.memory=8Gi", param_hint="--set")
    return fork_pb2.NodeResource(node_id=found["node"], resource=found["resource"], quantity=found["quantity"])


def _request_id(request: fork_pb2.ForkRequest) -> str:
    """Return what tells this call from another one: with a name, the same command again is the same call."""
    if not request.name:
        return uuid.uuid4().hex
    return hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()


def _expected(
    admin: Admin, execution_id: identifier_pb2.WorkflowExecutionIdentifier, version: str
) -> Mapping[str, types_pb2.LiteralType]:
    """Return the types of the inputs that the fork takes."""
    asked = execution_pb2.WorkflowExecutionGetRequest(id=execution_id)
    entity = admin.call(f"{_SERVICE}GetExecution", asked, execution_pb2.Execution).spec.launch_plan
    entity.version = version or entity.version
    wanted = common_pb2.ObjectGetRequest(id=entity)
    if entity.resource_type == identifier_pb2.TASK:
        task = admin.call(f"{_SERVICE}GetTask", wanted, task_pb2.Task)
        inputs = task.closure.compiled_task.template.interface.inputs.variables
        return {name: variable.type for name, variable in inputs.items()}
    plan = admin.call(f"{_SERVICE}GetLaunchPlan", wanted, launch_plan_pb2.LaunchPlan)
    return {name: parameter.var.type for name, parameter in plan.closure.expected_inputs.parameters.items()}
