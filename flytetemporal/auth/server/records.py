"""What the authorization server stores. Codes and tokens are stored as digests only."""

import hashlib
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


def digest(secret: str) -> str:
    """Return the digest under which a random secret is stored; it is long enough to need no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Purpose(StrEnum):
    """What a stored secret is for."""

    CODE = "code"
    REFRESH = "refresh"
    DEVICE = "device"
    USER_CODE = "user_code"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Person:
    """The user that has signed in."""

    subject: str
    groups: frozenset[str] = frozenset()
    email: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user, or a client for itself, has allowed: the codes and tokens of one sign-in belong to one grant."""

    id: str
    client_id: str
    person: Person | None
    scope: str
    expires_at: datetime
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Secret:
    """A code or token by its digest. ``used_at`` is when it was exchanged first.

    A code carries where it was sent to and its PKCE challenge. A device's secret has no grant until its user allows it;
    the code that the user types has the digest of that secret in ``device``.
    """

    digest: str
    purpose: Purpose
    client_id: str
    expires_at: datetime
    grant: Grant | None = None
    scope: str = ""
    redirect_uri: str = ""
    challenge: str = ""
    device: str = ""
    used_at: datetime | None = None
    denied: bool = False


@dataclass(slots=True)
class Exchange:
    """One request that exchanges a secret: what was found, and what is to be stored in the same transaction."""

    now: datetime
    found: Secret | None = None
    used: bool = False
    polled: bool = False
    revoke: str = ""
    grants: list[Grant] = field(default_factory=list)
    secrets: list[Secret] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key in the database: a PEM text with the private key."""

    pem: str
    created_at: datetime


class Records(Protocol):
    """The store of the authorization server. Clocks of several admins differ, so times are those of the database."""

    def exchanging(self, purpose: Purpose | None, digest: str) -> AbstractAsyncContextManager[Exchange]:
        """Return a context in one transaction with a locked secret, which stores what the exchange says at its end.

        Without a purpose nothing is looked up.
        """
        ...

    async def find(self, purpose: Purpose, digest: str) -> Secret | None:
        """Return a secret that has not expired, without locking it."""
        ...

    async def decide(self, user_code: str, grant: Grant | None) -> bool:
        """Allow a waiting device, or deny it without a grant; return whether one waits. ``user_code`` is a digest."""
        ...

    async def end(self, purpose: Purpose, digest: str) -> None:
        """Remove a secret."""
        ...

    async def revoked_grants(self) -> frozenset[str]:
        """Return the revoked grants whose access tokens could still be valid."""
        ...

    async def keys(self, max_age: timedelta, kept: timedelta) -> Sequence[StoredKey]:
        """Return the signing keys, newest first; make one if none is younger than ``max_age``.

        Keys that were replaced longer than ``kept`` ago are removed. Two admins that start at once make one key.
        """
        ...
