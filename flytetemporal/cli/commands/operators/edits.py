"""What the commands share that edit a running execution."""

import functools
import getpass
from collections.abc import Callable
from typing import Any

import click
from google.protobuf import wrappers_pb2

from flytetemporal.cli import admin_calls, printing
from flytetemporal.contracts.v1 import edits_pb2

EDIT = "/flytetemporal.v1.OperationsService/Edit"


def options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all edits have; the command gets them as ``edit``, a request that it completes."""

    @functools.wraps(command)
    def edited(*args: Any, reason: str, revision: int | None, request_id: str, **given: Any) -> None:
        request = edits_pb2.EditRequest(reason=reason, request_id=request_id, edited_by=_user())
        if revision is not None:
            request.expected_revision.CopyFrom(wrappers_pb2.UInt64Value(value=revision))
        command(*args, edit=request, **given)

    for option in (
        printing.option,
        click.option("--request-id", default="", help="Name of this edit; a repeated call has the same effect once."),
        click.option("--revision", type=click.IntRange(min=0), help="Only if there were this many edits before."),
        click.option("--reason", default="", help="Recorded with the edit."),
    ):
        edited = option(edited)
    return edited


def send(admin: admin_calls.Admin, edit: edits_pb2.EditRequest, output: str, done: str) -> None:
    """Send an edit and print the answer; ``done`` says what happens now."""
    answer = admin.call(EDIT, edit, edits_pb2.EditResponse)
    printing.show(output, answer, lambda: [f"{done} (revision {answer.revision})"])


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # The user id has no name.
        return ""
