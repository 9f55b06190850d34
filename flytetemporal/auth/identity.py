"""Who calls: the identity that a credential proves."""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What an identity is."""

    USER = "user"
    SERVICE = "service"
    """A program: a client with a secret, a certificate, or a service account of Kubernetes."""
    TASK = "task"
    """The code of a task, which acts for the execution that it belongs to."""


class Credential(StrEnum):
    """What proves an identity."""

    TOKEN = "token"  # noqa: S105  the name of a kind
    API_KEY = "api_key"
    BASIC = "basic"
    CERTIFICATE = "certificate"
    COOKIE = "cookie"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Restriction:
    """What an identity may do at most, whatever its roles are: as ``role`` may within project and domain.

    An empty part restricts nothing.
    """

    role: str = ""
    project: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """An authenticated caller.

    ``subject`` is unique within ``issuer``. ``credential_id`` identifies the credential in the audit log and is never
    the credential itself: the id of a token, the prefix of an API key, the serial number of a certificate.
    """

    subject: str
    issuer: str
    kind: Kind
    client_id: str = ""
    groups: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    credential: Credential = Credential.NONE
    credential_id: str = ""
    expires_at: datetime | None = None
    email: str = ""
    name: str = ""
    restriction: Restriction | None = None
    profile: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What else is known about a user: ``preferred_username``, ``given_name``, ``family_name``, ``picture``."""


_current: ContextVar[Identity | None] = ContextVar("identity", default=None)


def current() -> Identity | None:
    """Return the identity that the current call acts as; None without sign-in."""
    return _current.get()


@contextlib.contextmanager
def acting_as(identity: Identity | None) -> Iterator[None]:
    """Act as an identity within the context."""
    token = _current.set(identity)
    try:
        yield
    finally:
        _current.reset(token)
