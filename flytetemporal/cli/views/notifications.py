"""Notifications of executions, as people read them."""

from collections.abc import Iterator, Sequence

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import notifications_pb2

State = notifications_pb2.Notification.State
PROBLEM_CHARACTERS = 160


def section(answer: notifications_pb2.ListNotificationsResponse) -> Iterator[str]:
    """Return the notifications of an execution under a title; nothing if there are none."""
    if answer.notifications:
        yield from ("", "notifications")
        yield from table(answer.notifications)


def table(notifications: Sequence[notifications_pb2.Notification]) -> list[str]:
    """Return a table of notifications."""
    rows = [
        (
            found.channel,
            found.recipient,
            State.Name(found.state),
            str(found.attempts),
            moments.moment(found.ended_at),
            moments.moment(found.next_attempt_at),
            found.problem[:PROBLEM_CHARACTERS],
        )
        for found in notifications
    ]
    return printing.table(("channel", "recipient", "state", "attempts", "ended", "next attempt", "problem"), rows)
