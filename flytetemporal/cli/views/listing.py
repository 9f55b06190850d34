"""Lists of admin, read page by page up to the number of rows that the user wants."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
from google.protobuf.message import Message

from flytetemporal.cli.admin_calls import Admin

ADMIN_SERVICE = "/flyteidl.service.AdminService/"
OPERATIONS_SERVICE = "/flytetemporal.v1.OperationsService/"
DEFAULT_ROWS = 100
_PAGE_ROWS = 500

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound=Message)


def options(command: F) -> F:
    """Add the options of a list: ``limit`` and ``filters``."""
    command = click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="EXPRESSION",
        help="Flyte's filter expression, such as 'contains(name,train)'; can be repeated.",
    )(command)
    return limit(command)


def limit(command: F) -> F:
    """Add the option ``limit`` of a list."""
    return click.option(
        "--limit", type=click.IntRange(1, 100_000), default=DEFAULT_ROWS, help="Number of rows.", show_default=True
    )(command)


def read(admin: Admin, method: str, request: Message, found: R, limit: int, service: str = ADMIN_SERVICE) -> R:
    """Return ``found`` with the first ``limit`` rows of a list; its token is empty if there are no more."""
    rows = next(getattr(found, field.name) for field in found.DESCRIPTOR.fields if field.is_repeated)
    pages: Any = request
    answer: Any = found
    while len(rows) < limit:
        pages.limit = min(_PAGE_ROWS, limit - len(rows))
        answer.token = ""
        answer.MergeFrom(admin.call(service + method, pages, type(found)))
        pages.token = answer.token
        if not answer.token:
            break
    if not rows:
        admin.check_project()
    return found


def more(found: Message) -> list[str]:
    """Return a line for people if the list is not complete."""
    return ["there are more; see them with a larger --limit"] if getattr(found, "token", "") else []
