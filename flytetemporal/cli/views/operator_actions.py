"""What operators have done to an execution, as people read it."""

from collections.abc import Iterator

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments, pauses
from flytetemporal.contracts.v1 import edits_pb2, pauses_pb2


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
        )
        for action in answer.actions
    ]
    yield from printing.table(("at", "action", "node", "by", "reason"), rows)
    if answer.token:
        yield f"and older ones than these {len(rows)}"
