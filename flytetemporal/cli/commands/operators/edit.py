"""``flytetemporal edit``: changes a running execution."""

from collections.abc import Mapping

import click
from google.protobuf import duration_pb2

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands.operators import edits
from flytetemporal.contracts.v1 import edits_pb2
from flytetemporal.idl import times


@click.command()
@admin_calls.execution_argument
@click.option(
    "--on-failure",
    type=click.Choice(["hold", "fail"]),
    help="hold: nodes that would fail wait for `retry` or `skip`. fail: they fail, also those that are held.",
)
@click.option(
    "--max-parallelism",
    type=click.IntRange(0, 2**32 - 1),
    help="Nodes that run at once, or with --node elements of a map task; 0: no limit.",
)
@click.option(
    "--node",
    default="",
    help="The node to change: a map task, or one that has not started, is held or waits for an attempt.",
)
@click.option("--retries", type=click.IntRange(0, 2**32 - 1), help="User retries of the node.")
@click.option("--timeout", default="", help="Timeout of the node's attempts, such as 90s or 2h30m; 0: none.")
@click.option("--memory", default="", help="Memory of the node's task, such as 8Gi.")
@click.option("--cpu", default="", help="CPUs of the node's task, such as 2 or 500m.")
@click.option("--gpu", default="", help="GPUs of the node's task.")
@click.option("--ephemeral-storage", default="", help="Disk of the node's task, such as 20Gi.")
@edits.options
@admin_calls.with_admin
def edit(
    execution: str,
    on_failure: str | None,
    max_parallelism: int | None,
    node: str,
    edit: edits_pb2.EditRequest,
    admin: admin_calls.Admin,
    output: str,
    **of_node: str | int | None,
) -> None:
    """Change EXECUTION, or one of its nodes, while it runs."""
    edit.execution_id.CopyFrom(admin.execution_id(execution))
    of_execution = on_failure is not None or (max_parallelism is not None and not node)
    given = {name: value for name, value in of_node.items() if value not in (None, "")}
    if node and max_parallelism is not None:
        given["max_parallelism"] = max_parallelism
    if bool(node) != bool(given):
        raise click.UsageError("--node goes with what changes of it: --retries, --timeout, --memory, --cpu ...")
    if bool(of_execution) == bool(given):
        raise click.UsageError("change either the execution (--max-parallelism, --on-failure) or a node (--node)")
    if node:
        edit.node.CopyFrom(_of_node(node, given))
    else:
        edit.execution.on_failure = on_failure or ""
        if max_parallelism is not None:
            edit.execution.max_parallelism.value = max_parallelism
    edits.send(admin, edit, output, f"{node or edit.execution_id.name} is changed")


def _of_node(node: str, given: Mapping[str, str | int | None]) -> edits_pb2.NodeEdit:
    changes = edits_pb2.NodeEdit(node_id=node)
    for name, value in given.items():
        if name in ("retries", "max_parallelism"):
            getattr(changes, name).value = int(value or 0)
        elif name == "timeout":
            changes.timeout.CopyFrom(_duration(str(value)))
        else:
            changes.resources[name.replace("_", "-")] = str(value)
    return changes


def _duration(text: str) -> duration_pb2.Duration:
    try:
        return times.duration(times.from_go_text(text))
    except ValueError as e:
        raise click.BadParameter(f"{text}: {e}", param_hint="--timeout") from e
