"""The messages between a worker and its fork server: one JSON array per line, in both directions."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Launch:
    """To the server: run a command."""

    id: int
    tag: str
    """In the environment of the process and its descendants, as ``TAG_VARIABLE``."""
    command: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    """The working directory; it exists, and no other process uses it."""
    log: str
    """The file for standard output and standard error; its folder exists."""
    bundles: str
    """The cache of unpacked code distributions."""
    memory_bytes: int
    """Zero: no limit."""
    warm: bool = False
    """Whether the process may be a fork of one that has imported the code of the task."""
    turns: str = ""
    """The folder of a batch, see ``batch.turns``; the command is then that of its first attempt."""


@dataclass(frozen=True, slots=True)
class Signal:
    """To the server: signal the process group, unless the process has ended."""

    id: int
    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """From the server, first: the files it has loaded. ``problem`` says why flytekit cannot be forked, or is empty."""

    files: dict[str, tuple[int, int]]
    problem: str


@dataclass(frozen=True, slots=True)
class Started:
    """From the server: the process runs, and leads the process group of the same number."""

    id: int
    pid: int
    note: str = ""
    """Why its code is imported anew, if it could have been shared."""


@dataclass(frozen=True, slots=True)
class Refused:
    """From the server: there is no process."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """From the server: the process and its group are gone; ``status`` is its wait status."""

    id: int
    status: int


@dataclass(frozen=True, slots=True)
class Imported:
    """From a warm parent to the server: it has imported the code. ``problem`` says why it cannot be forked, if so."""

    problem: str
    files: dict[str, tuple[int, int]]
    """Those that it has loaded, with their stamps."""
    private_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Warmed:
    """From the server, for the worker's log: the code of a task is kept imported, or ``problem`` says why not."""

    module: str
    problem: str
    private_bytes: int
    seconds: float


Message = Launch | Signal | Ready | Started | Refused | Ended | Imported | Warmed
_KINDS: dict[str, Callable[..., Message]] = {
    kind.__name__: kind for kind in (Launch, Signal, Ready, Started, Refused, Ended, Imported, Warmed)
}


def encode(message: Message) -> bytes:
    """Return the line of a message, with its newline."""
    fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    return json.dumps([type(message).__name__, fields]).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of a line."""
    name, fields = json.loads(line)
    return _KINDS[name](**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
