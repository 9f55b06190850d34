"""Triggers and their events, as people read them."""

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import triggers_pb2
from flytetemporal.idl import error_text

State = triggers_pb2.TriggerEvent.State
MORE = "there are more: list more of them with --limit"


def trigger_lines(answer: triggers_pb2.ListTriggersResponse) -> list[str]:
    """Return a table of triggers."""
    if not answer.triggers:
        return ["no launch plan that is active, or was, has triggers"]
    rows = [
        (
            found.launch_plan.name,
            found.name,
            found.kind,
            found.source,
            _state(found),
            _newest(found.last_event),
            found.last_execution.name,
            error_text.headline(found.last_error)[: moments.ERROR_CHARACTERS],
        )
        for found in answer.triggers
    ]
    titles = ("launch plan", "trigger", "kind", "source", "state", "last event", "last execution", "last error")
    return [*printing.table(titles, rows), *([MORE] if answer.token else [])]


def event_lines(answer: triggers_pb2.ListTriggerEventsResponse) -> list[str]:
    """Return a table of events."""
    if not answer.events:
        return ["no event has arrived, or all are older than events are kept"]
    rows = [
        (
            event.id,
            moments.moment(event.occurred_at),
            State.Name(event.state),
            event.execution_id.name if event.state == State.LAUNCHED else "",
            error_text.headline(event.message)[: moments.ERROR_CHARACTERS],
        )
        for event in answer.events
    ]
    table = printing.table(("event", "occurred", "state", "execution", "reason"), rows)
    return [*table, *([MORE] if answer.token else [])]


def _state(found: triggers_pb2.Trigger) -> str:
    waiting = f", {found.pending} waiting" if found.pending else ""
    return ("active" if found.is_active else "inactive") + waiting


def _newest(event: triggers_pb2.TriggerEvent) -> str:
    return f"{State.Name(event.state)} {moments.moment(event.occurred_at)} {event.id}" if event.id else ""
