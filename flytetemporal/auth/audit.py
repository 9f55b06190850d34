"""The audit log: what was changed or refused, by whom, from where."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from google.protobuf.message import Message

from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.auth.roles import Scope
from flytetemporal.rpc.callers import Presented

SIGN_IN = "sign-in"
# The fields that say what a request or a response is about, the first one that is set counts.
_NAMING = (
    "id", "execution_id", "workflow_execution_id", "node_execution_id", "target", "launch_plan", "policy", "binding",
    "attributes", "scope", "key", "project",
)  # fmt: skip
_PARTS = ("subject", "role", "project", "domain", "workflow", "name", "version", "node_id", "signal_id", "id")
_LONGEST = 1000
_PLATFORM = Scope()


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened. ``code`` is the name of a gRPC status."""

    action: str
    presented: Presented
    identity: Identity | None
    code: str
    message: str = ""
    scope: Scope = _PLATFORM
    target: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(slots=True)
class SignIn:
    """An attempt to sign in. ``identity`` is whom it names, proven only if the attempt succeeds."""

    identity: Identity | None = None


_attempt: ContextVar[SignIn | None] = ContextVar("attempt", default=None)


@contextlib.contextmanager
def attempt() -> Iterator[SignIn]:
    """Let ``names`` say within the context whom an attempt to sign in names."""
    found = SignIn()
    token = _attempt.set(found)
    try:
        yield found
    finally:
        _attempt.reset(token)


def names(subject: str, kind: Kind, client_id: str = "") -> None:
    """Note whom the attempt to sign in names that is being served; the audit log says so."""
    if (found := _attempt.get()) is not None:
        found.identity = Identity(subject, "", kind, client_id)


class AuditLog(Protocol):
    """Keeps entries."""

    async def record(self, entry: Entry) -> None:
        """Keep an entry before the caller is answered: one that repeats its call, unanswered, leaves an entry."""
        ...

    def refused(self, entry: Entry) -> None:
        """Keep the entry of a refusal soon: strangers can cause as many as they like."""
        ...


def target(*messages: Message | None) -> str:
    """Return the id in the first message that has one, such as ``p:d:name``; empty if none has."""
    for message in messages:
        if message is not None and (found := _id(message)):
            return found[:_LONGEST]
    return ""


def _id(message: Any) -> str:
    fields = message.DESCRIPTOR.fields_by_name
    for name in _NAMING:
        if name not in fields:
            continue
        found = getattr(message, name)
        if isinstance(found, str) and found and name != "project":
            return found
        if isinstance(found, Message) and message.HasField(name):
            return _text(found)
    return _text(message) if "name" in fields and "project" in fields else ""


def _text(message: Any) -> str:
    """Return the names in a message, joined; of an id within it if it has none of its own."""
    fields = message.DESCRIPTOR.fields_by_name
    for inner in ("execution_id", "node_execution_id"):
        if inner in fields and message.HasField(inner):
            rest = [getattr(message, part) for part in ("node_id", "signal_id") if part in fields]
            return ":".join([_text(getattr(message, inner)), *filter(None, rest)])
    parts = (getattr(message, part) for part in _PARTS if part in fields)
    return ":".join(part for part in parts if isinstance(part, str) and part)
