"""``flytetemporal describe``: an execution with its nodes, or a node with its attempts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click
from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import catalog_pb2, identifier_pb2, literals_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import listing, literal_text, moments, notifications, operator_actions
from flytetemporal.contracts.v1 import edits_pb2, fork_pb2, notifications_pb2, pauses_pb2

LINEAGE = "/flytetemporal.v1.OperationsService/GetLineage"
LIST_PAUSES = "/flytetemporal.v1.OperationsService/ListPauses"
LIST_NOTIFICATIONS = "/flytetemporal.v1.OperationsService/ListNotifications"
ROWS = 500
ELEMENTS = 100
# They run nothing.
_ENDS = ("start-node", "end-node")
_SERVICE = listing.ADMIN_SERVICE
_NODE_PHASES = core_execution_pb2.NodeExecution.Phase
_TASK_PHASES = core_execution_pb2.TaskExecution.Phase


@click.command()
@admin_calls.execution_argument
@click.argument("node", default="")
@printing.option
@admin_calls.with_admin
def describe(execution: str, node: str, output: str, admin: Admin) -> None:
    """Show EXECUTION with its nodes, or its node NODE with its attempts and the nodes inside it."""
    identifier = admin.execution_id(execution)
    found = _node(admin, identifier, node) if node else _execution(admin, identifier)
    lines = _node_lines if node else _execution_lines
    printing.show(output, {name: printing.document(message) for name, message in found.items()}, lambda: lines(found))


def _execution(admin: Admin, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> dict[str, Any]:
    return {
        "execution": admin.call(
            f"{_SERVICE}GetExecution",
            execution_pb2.WorkflowExecutionGetRequest(id=identifier),
            execution_pb2.Execution,
        ),
        "data": admin.call(
            f"{_SERVICE}GetExecutionData",
            execution_pb2.WorkflowExecutionGetDataRequest(id=identifier),
            execution_pb2.WorkflowExecutionGetDataResponse,
        ),
        "nodes": _nodes(admin, identifier),
        "lineage": admin.call(LINEAGE, fork_pb2.LineageRequest(execution_id=identifier), fork_pb2.Lineage),
        "pauses": admin.call(
            LIST_PAUSES,
            pauses_pb2.ListPausesRequest(
                project=identifier.project, domain=identifier.domain, execution=identifier.name
            ),
            pauses_pb2.ListPausesResponse,
        ),
        "actions": operator_actions.read(admin, identifier),
        "notifications": admin.call(
            LIST_NOTIFICATIONS,
            notifications_pb2.ListNotificationsRequest(execution_id=identifier),
            notifications_pb2.ListNotificationsResponse,
        ),
    }


def _node(admin: Admin, identifier: identifier_pb2.WorkflowExecutionIdentifier, node_id: str) -> dict[str, Any]:
    node = identifier_pb2.NodeExecutionIdentifier(execution_id=identifier, node_id=node_id)
    attempts = task_execution_pb2.TaskExecutionListRequest(node_execution_id=node)
    return {
        "node": admin.call(
            f"{_SERVICE}GetNodeExecution",
            node_execution_pb2.NodeExecutionGetRequest(id=node),
            node_execution_pb2.NodeExecution,
        ),
        "data": admin.call(
            f"{_SERVICE}GetNodeExecutionData",
            node_execution_pb2.NodeExecutionGetDataRequest(id=node),
            node_execution_pb2.NodeExecutionGetDataResponse,
        ),
        "attempts": listing.read(
            admin, "ListTaskExecutions", attempts, task_execution_pb2.TaskExecutionList(), listing.DEFAULT_ROWS
        ),
        "nodes": _nodes(admin, identifier, node_id),
        "actions": operator_actions.read(admin, identifier),
    }


def _nodes(
    admin: Admin, identifier: identifier_pb2.WorkflowExecutionIdentifier, parent: str = ""
) -> node_execution_pb2.NodeExecutionList:
    request = node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=identifier, unique_parent_id=parent)
    return listing.read(admin, "ListNodeExecutions", request, node_execution_pb2.NodeExecutionList(), ROWS)


def _execution_lines(found: dict[str, Any]) -> Iterator[str]:
    execution = found["execution"]
    closure, metadata = execution.closure, execution.spec.metadata
    yield from printing.fields(
        [
            ("execution", _qualified(execution.id)),
            ("phase", core_execution_pb2.WorkflowExecution.Phase.Name(closure.phase)),
            ("paused", operator_actions.paused(found["pauses"])),
            ("launch plan", _entity(execution.spec.launch_plan)),
            ("workflow", _entity(closure.workflow_id)),
            *_lineage(metadata, found["lineage"]),
            ("created", moments.moment(closure.created_at)),
            ("started", moments.moment(closure.started_at)),
            ("duration", moments.duration(closure)),
        ]
    )
    yield from _values(found["data"])
    yield from _error(closure)
    yield from _node_table(found["nodes"], found["actions"])
    yield from notifications.section(found["notifications"])
    yield from operator_actions.actions(found["actions"])


def _lineage(metadata: execution_pb2.ExecutionMetadata, forks: fork_pb2.Lineage) -> Iterator[tuple[str, str]]:
    mode = execution_pb2.ExecutionMetadata.ExecutionMode.Name(metadata.mode).lower()
    mode = "forked" if forks.HasField("forked_from") else mode
    yield "mode", mode
    if metadata.HasField("reference_execution"):
        verb = {"recovered": "recovers", "forked": "forks"}.get(mode, "made from")
        yield verb, _qualified(metadata.reference_execution)
    if forks.forks:
        yield "forked by", ", ".join(made.execution_id.name for made in forks.forks)
    if metadata.HasField("parent_node_execution"):
        parent = metadata.parent_node_execution
        yield "started by", f"node {parent.node_id} of {_qualified(parent.execution_id)}"


def _node_lines(found: dict[str, Any]) -> Iterator[str]:
    node = found["node"]
    closure = node.closure
    child = closure.workflow_node_metadata.executionId
    yield from printing.fields(
        [
            ("node", node.id.node_id),
            ("name", node.metadata.spec_node_id),
            ("phase", _NODE_PHASES.Name(closure.phase)),
            ("skipped", _note(node, operator_actions.given_outputs(found["actions"].actions))),
            ("cache", _cache_status(closure.task_node_metadata.cache_status)),
            ("computed by", _cache_source(closure.task_node_metadata)),
            ("execution", _qualified(child) if child.name else ""),
            ("created", moments.moment(closure.created_at)),
            ("started", moments.moment(closure.started_at)),
            ("duration", moments.duration(closure)),
            ("deck", closure.deck_uri),
        ]
    )
    yield from _values(found["data"])
    yield from _error(closure)
    attempts = found["attempts"].task_executions
    if attempts:
        yield from ("", "attempts")
        yield from _attempt_table(sorted(attempts, key=lambda attempt: attempt.id.retry_attempt))
    yield from _node_table(found["nodes"], found["actions"])


def _values(data: Any) -> Iterator[str]:
    for title, values in (("inputs", data.full_inputs), ("outputs", data.full_outputs)):
        yield from _section(title, values)


def _section(title: str, values: literals_pb2.LiteralMap) -> Iterator[str]:
    if values.literals:
        yield from ("", title)
        yield from (f"  {line}" for line in printing.fields(literal_text.lines(values)))


def _error(closure: Any) -> Iterator[str]:
    text = closure.error.message if closure.HasField("error") else ""
    if text:
        yield from ("", f"error {closure.error.code}".rstrip())
        yield from (f"  {printing.printable(line)}" for line in text.splitlines())


def _node_table(
    listed: node_execution_pb2.NodeExecutionList, actions: edits_pb2.ListOperatorActionsResponse
) -> Iterator[str]:
    given = operator_actions.given_outputs(actions.actions)
    shown = [node for node in listed.node_executions if node.metadata.spec_node_id not in _ENDS]
    nodes = sorted(shown, key=lambda node: (node.closure.created_at.ToNanoseconds(), node.id.node_id))
    if not nodes:
        return
    yield from ("", "nodes")
    rows = [
        (
            node.id.node_id,
            node.metadata.spec_node_id,
            _NODE_PHASES.Name(node.closure.phase),
            moments.moment(node.closure.started_at),
            moments.duration(node.closure),
            _cache_status(node.closure.task_node_metadata.cache_status),
            moments.error(node.closure) or _note(node, given),
        )
        for node in nodes
    ]
    yield from printing.table(("node", "name", "phase", "started", "duration", "cache", "error or note"), rows)
    yield from listing.more(listed)


def _note(node: node_execution_pb2.NodeExecution, given: Mapping[str, str]) -> str:
    """Return who has given the outputs of a node that was skipped; empty if it has run."""
    return given.get(node.id.node_id, "") if node.closure.phase == _NODE_PHASES.Value("SUCCEEDED") else ""


def _attempt_table(attempts: Sequence[task_execution_pb2.TaskExecution]) -> Iterator[str]:
    rows = [
        (
            str(attempt.id.retry_attempt),
            _TASK_PHASES.Name(attempt.closure.phase),
            moments.moment(attempt.closure.started_at),
            moments.duration(attempt.closure),
            " ".join(link.uri for link in attempt.closure.logs),
            moments.error(attempt.closure) or attempt.closure.reason,
        )
        for attempt in attempts
    ]
    yield from printing.table(("attempt", "phase", "started", "duration", "links", "error or reason"), rows)
    for attempt in attempts:
        yield from _element_table(attempt)


def _element_table(attempt: task_execution_pb2.TaskExecution) -> Iterator[str]:
    elements = attempt.closure.metadata.external_resources
    if not elements:
        return
    yield from ("", f"elements of attempt {attempt.id.retry_attempt}")
    rows = [
        (
            str(element.index),
            str(element.retry_attempt),
            _TASK_PHASES.Name(element.phase),
            _cache_status(element.cache_status),
            " ".join(link.uri for link in element.logs),
        )
        for element in elements[:ELEMENTS]
    ]
    yield from printing.table(("element", "attempt", "phase", "cache", "links"), rows)
    if len(elements) > ELEMENTS:
        yield f"and {len(elements) - ELEMENTS} more; see them with -o json"


def _cache_status(status: Any) -> str:
    return str(catalog_pb2.CatalogCacheStatus.Name(status)) if status else ""


def _cache_source(metadata: node_execution_pb2.TaskNodeMetadata) -> str:
    """Return which attempt computed the outputs of a node that took them from the cache; empty if it is not known."""
    source = metadata.catalog_key.source_task_execution
    node = source.node_execution_id
    if metadata.cache_status != catalog_pb2.CACHE_HIT or not node.execution_id.name:
        return ""
    return f"node {node.node_id} of {_qualified(node.execution_id)}, attempt {source.retry_attempt}"


def _qualified(identifier: identifier_pb2.WorkflowExecutionIdentifier) -> str:
    return f"{identifier.project}/{identifier.domain}/{identifier.name}"


def _entity(identifier: identifier_pb2.Identifier) -> str:
    return f"{identifier.name} {identifier.version}".strip()
