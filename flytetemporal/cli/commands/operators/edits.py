"""What the commands share that edit a running execution."""

import functools
from collections.abc import Callable
from typing import Any

import click
from google.protobuf import wrappers_pb2

from flytetemporal.cli import admin_calls, printing, users
from flytetemporal.cli.views import pauses
from flytetemporal.contracts.v1 import edits_pb2, pauses_pb2

EDIT = "/flytetemporal.v1.OperationsService/Edit"
LIST_PAUSES = "/flytetemporal.v1.OperationsService/ListPauses"


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all edits have; the command gets them as ``edit``, a request that it completes."""

    @functools.wraps(command)
    def edited(*args: Any, reason: str, revision: int | None, request_id: str, by: str, **given: Any) -> None:
        request = edits_pb2.EditRequest(reason=reason, request_id=request_id, edited_by=by)
        if revision is not None:
            request.expected_revision.CopyFrom(wrappers_pb2.UInt64Value(value=revision))
        command(*args, edit=request, **given)

    for option in (
        printing.option,
        users.option,
        click.option("--request-id", default="", help="Name of this edit; a repeated call has the same effect once."),
        click.option("--revision", type=click.IntRange(min=0), help="Only if there were this many edits before."),
        click.option("--reason", default="", help="Recorded with the edit."),
    ):
        edited = option(edited)
    return edited


def send(admin: admin_calls.Admin, edit: edits_pb2.EditRequest, output: str, done: str, node: str = "") -> None:
    """Send an edit and print the answer; ``done`` says what happens now, or when ``node`` is resumed."""
    answer = admin.call(EDIT, edit, edits_pb2.EditResponse)

    def lines() -> list[str]:
        paused = _paused(admin, edit, node) if node else []
        later = f" when it is resumed: {', '.join(paused)} is paused" if paused else ""
        return [f"{done}{later} (revision {answer.revision})"]

    printing.show(output, answer, lines)


def _paused(admin: admin_calls.Admin, edit: edits_pb2.EditRequest, node: str) -> list[str]:
    """Return what keeps a node from starting."""
    place = edit.execution_id
    request = pauses_pb2.ListPausesRequest(project=place.project, domain=place.domain, execution=place.name)
    found = admin.call(LIST_PAUSES, request, pauses_pb2.ListPausesResponse)
    return [pauses.named(one.target) for one in found.pauses if _covers(one.target, place.name, node)]


def _covers(target: pauses_pb2.PauseTarget, execution: str, node: str) -> bool:
    if target.kind != pauses_pb2.PauseTarget.NODE or target.name != execution:
        return True
    return f"{node}-".startswith(f"{target.node_id}-")
