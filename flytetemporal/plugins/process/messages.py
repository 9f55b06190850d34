"""What a worker and its fork server say to each other: one JSON object a line, both ways."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Launch:
    """To the server: run a command."""

    id: int
    tag: str
    """Marks every process that descends from this one, in its environment, under ``TAG_VARIABLE``."""
    command: tuple[str, ...]
    environment: dict[str, str]
    directory: str
    """The process starts here; it exists and is its own."""
    log: str
    """Output goes here, standard error included; the folder exists."""
    bundles: str
    """Cache of unpacked code distributions."""
    memory_bytes: int
    """Zero: no limit."""


@dataclass(frozen=True, slots=True)
class Signal:
    """To the server: send a signal to the whole process group, if the process has not ended."""

    id: int
    number: int


@dataclass(frozen=True, slots=True)
class Ready:
    """From the server, first: what it has loaded. ``problem`` says why flytekit cannot be forked, empty when it can."""

    files: dict[str, tuple[int, int]]
    problem: str


@dataclass(frozen=True, slots=True)
class Started:
    """From the server: the process runs and leads a group with its id as number."""

    id: int
    pid: int


@dataclass(frozen=True, slots=True)
class Refused:
    """From the server: the process could not be made."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """From the server: process and group are gone; ``status`` is the wait status."""

    id: int
    status: int


Message = Launch | Signal | Ready | Started | Refused | Ended
_KINDS: dict[str, Callable[..., Message]] = {
    kind.__name__: kind for kind in (Launch, Signal, Ready, Started, Refused, Ended)
}


def encode(message: Message) -> bytes:
    """Return the line of a message, its newline included."""
    fields = {field.name: getattr(message, field.name) for field in dataclasses.fields(message)}
    return json.dumps([type(message).__name__, fields]).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Return the message of a line."""
    name, fields = json.loads(line)
    return _KINDS[name](**{key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()})
