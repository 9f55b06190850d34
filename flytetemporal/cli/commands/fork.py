"""``flytetemporal fork``: a new execution that reuses what succeeded in another one."""

import datetime
import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import click
from google.protobuf import json_format

from flytetemporal.cli import admin_calls, printing, users
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import fork_pb2

FORK = "/flytetemporal.v1.OperationsService/Fork"
NOTHING_RUNS = "all nodes are reused, so nothing runs; to run a node again, and what follows it, name it: --from NODE"
_SETTING = re.compile(r"(?P<node>[^=]+)\.(?P<resource>[a-z-]+)=(?P<quantity>.+)")


@click.command()
@admin_calls.execution_argument
@click.option(
    "--from", "from_nodes", multiple=True, metavar="NODE", help="Run NODE, an id or a name, and what follows again."
)
@click.option("--inputs", "path", type=click.Path(path_type=Path), metavar="FILE", help="New inputs, JSON or YAML.")
@click.option("--version", default="", help="Version of the launch plan or task to run; default: the same.")
@click.option("--set", "settings", multiple=True, metavar="NODE.RESOURCE=QUANTITY", help="As in n3.memory=8Gi.")
@click.option("--overwrite-cache", is_flag=True, help="Nodes that run take nothing from the cache of outputs.")
@click.option("--dry-run", is_flag=True, help="Say what is reused and what runs again, and start nothing.")
@click.option("--name", default="", help="Name of the new execution; default: a generated one.")
@users.option
@printing.option
@admin_calls.with_admin
def fork(
    execution: str,
    from_nodes: tuple[str, ...],
    path: Path | None,
    version: str,
    settings: tuple[str, ...],
    name: str,
    by: str,
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
        forked_by=by,
    )
    if path is not None:
        _add_inputs(request, path)
    request.request_id = _request_id(request)
    answer = admin.call(FORK, request, fork_pb2.ForkResponse)
    printing.show(output, answer, lambda: lines(request.execution_id.name, answer))
    if answer.reused and not answer.run_again:
        click.echo(NOTHING_RUNS, err=True)


def lines(source: str, answer: fork_pb2.ForkResponse) -> Iterator[str]:
    """Yield the lines to print for an answer."""
    if answer.nodes:
        rows = [[node.node_id, node.name, "reused" if node.reused else "runs", _reason(node)] for node in answer.nodes]
        yield from printing.table(["node", "name", "decision", "reason"], rows)
        hidden = answer.reused + answer.run_again - len(answer.nodes)
        if hidden:
            yield f"and {hidden} more nodes"
    counts = f"{answer.reused} reused, {answer.run_again} to run"
    if not answer.HasField("execution_id"):
        yield f"a fork of {source}: {counts}; nothing was started"
        return
    yield f"{answer.execution_id.name} forks {source}: {counts}"


def _reason(node: fork_pb2.ForkedNode) -> str:
    if not node.reused_element_count:
        return node.reason
    elements = "element" if node.reused_element_count == 1 else "elements"
    return f"{node.reason}; {node.reused_element_count} {elements} reused: {node.reused_elements}"


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


def _add_inputs(request: fork_pb2.ForkRequest, path: Path) -> None:
    """Add the inputs of a file: plain values, or literals in the form of the HTTP API in a map ``literals``.

    Raises:
        CommandError: the file cannot be read.
    """
    import yaml

    try:
        with click.open_file(str(path)) as file:
            values = yaml.safe_load(file)  # JSON is YAML.
        if isinstance(values, dict) and list(values) == ["literals"]:
            json_format.ParseDict(values, request.inputs)
        else:
            request.plain_inputs = json.dumps(values, default=_text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, json_format.ParseError, TypeError) as e:
        raise CommandError(f"cannot read the inputs of {path}: {str(e).splitlines()[0]}") from e


def _text(value: object) -> str:
    """Return a time of YAML, which JSON does not have, as a text."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{value!r} is no plain value")
