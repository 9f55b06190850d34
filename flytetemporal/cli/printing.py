"""What commands print: tables for people, JSON or YAML for programs.

rich, yaml and the JSON form of messages are imported by the functions that need them: a command needs one at most.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from google.protobuf.message import Message

TABLE, JSON, YAML = FORMS = ("table", "json", "yaml")

F = TypeVar("F", bound=Callable[..., Any])


def option(command: F) -> F:
    """Add ``-o`` and ``--output``, which the command gets as ``output``."""
    help_text = "Print a table, or everything as JSON or YAML."
    return click.option("-o", "--output", type=click.Choice(FORMS), default=TABLE, help=help_text, show_default=True)(
        command
    )


def show(form: str, found: Message | dict[str, Any], lines: Callable[[], Iterable[str]]) -> None:
    """Print ``found`` as JSON or YAML, or ``lines`` for people.

    Messages have the form of the HTTP API.
    """
    if form == TABLE:
        for line in lines():
            click.echo(line)
        return
    shown = document(found) if isinstance(found, Message) else found
    if form == JSON:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    import yaml

    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True), nl=False)


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return a table's lines. Columns are as wide as their content, on a terminal too, so that lines can be cut."""
    from rich.cells import cell_len, set_cell_size

    lines = [[title.upper() for title in titles], *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(set_cell_size, line, widths)).rstrip() for line in lines]


def fields(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line per pair of name and value; those without a value are left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0) + 1
    return [f"{name + ':':{width}} {printable(value)}" for name, value in shown]


def number(count: int, noun: str) -> str:
    """Return a count with its noun, "1 node" or "2 nodes"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def printable(text: str) -> str:
    """Return the text on one line, with control characters escaped: a task could move the cursor of who reads it."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text
    )


def document(message: Message) -> Any:
    """Return a message in the form of the HTTP API."""
    from flytetemporal.rpc import json_form

    return json.loads(json_form.dumps(message, proto_names=False))
