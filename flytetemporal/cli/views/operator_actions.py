"""What operators have done to an execution, as people read it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from flyteidl.core import identifier_pb2

from flytetemporal.cli import printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import moments, pauses
from flytetemporal.contracts.v1 import edits_pb2, pauses_pb2

# Actions that the table has; more of them are read, to know of each node that an operator has ended.
SHOWN = 50
LIST_ACTIONS = "/flytetemporal.v1.OperationsService/ListOperatorActions"
READ = 1000


def read(admin: Admin, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> edits_pb2.ListOperatorActionsResponse:
    """Return what operators have done to an execution, newest first: as much of it as one call lists."""
    request = edits_pb2.ListOperatorActionsRequest(execution_id=identifier, limit=READ)
    return admin.call(LIST_ACTIONS, request, edits_pb2.ListOperatorActionsResponse)


def paused(answer: pauses_pb2.ListPausesResponse) -> str:
    """Return what keeps an execution from going on, such as ``project p by ada since ...: maintenance``."""
    return "; ".join(_paused(pause) for pause in answer.pauses)


def _paused(pause: pauses_pb2.Pause) -> str:
    by = f" by {pause.paused_by}" if pause.paused_by else ""
    reason = f": {pause.reason}" if pause.reason else ""
    return f"{pauses.named(pause.target)}{by} since {moments.moment(pause.since)}{reason}"


def actions(answer: edits_pb2.ListOperatorActionsResponse) -> Iterator[str]:
    """Return a table of what operators have done, newest first."""
    if not answer.actions:
        return
    yield from ("", "actions of operators")
    rows = [
        (
            moments.moment(action.at),
            action.action,
            action.node_id,
            action.operator,
            "no answer was heard" if action.unanswered else action.reason,
            changes(action),
        )
        for action in answer.actions[:SHOWN]
    ]
    yield from printing.table(("at", "action", "node", "by", "reason", "changes"), rows)
    if answer.token or len(answer.actions) > SHOWN:
        yield f"and older ones than these {len(rows)}"


def changes(action: edits_pb2.OperatorAction) -> str:
    """Return what an action changed, in a few words, such as ``retries 5, memory 8Gi``."""
    details = _details(action)
    match action.action:
        case "edit":
            # Resources come after what else is changed.
            scalars = {name: value for name, value in details.items() if name not in ("resources", "revision")}
            given = {**scalars, **details.get("resources", {})}
            return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in given.items())
        case "skip":
            return "ends with given outputs"
        case "fork":
            nodes = ", ".join(details.get("from_nodes", ()))
            return f"into {details.get('fork', '')}" + (f" from {nodes}" if nodes else "")
        case "pause":
            return "stops attempts that run" if details.get("stop_running") else ""
        case _:
            return ""


def given_outputs(actions: Iterable[edits_pb2.OperatorAction]) -> dict[str, str]:
    """Return who has given the outputs of nodes, as a text by node id. Only nodes that SUCCEEDED have used them."""
    return {
        action.node_id: "outputs given by " + (action.operator or "an operator")
        for action in actions
        if action.action == "skip" and not action.unanswered
    }


def _details(action: edits_pb2.OperatorAction) -> dict[str, Any]:
    return dict(json.loads(action.details)) if action.details else {}
