"""API keys: secrets that act as their owner, within limits. Only their hashes are stored."""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from flytetemporal.auth.identity import Credential, Identity, Kind, Restriction
from flytetemporal.auth.roles import Subject, SubjectKind
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc.callers import Presented

PREFIX = "ftk_"
ISSUER = "api-keys"
_ID_BYTES = 6
_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key that is not revoked."""

    id: str
    secret_hash: bytes
    owner: Subject
    restriction: Restriction
    expires_at: datetime


class ApiKeys:
    """The keys that are not revoked, in memory; admin replaces them when they change in the database."""

    def __init__(self) -> None:
        self._by_id: Mapping[str, ApiKey] = {}

    def replace(self, keys: Iterable[ApiKey]) -> None:
        """Let these keys be valid, and no others."""
        self._by_id = {key.id: key for key in keys}

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key by its id."""
        return self._by_id.get(key_id)


def made() -> tuple[str, str]:
    """Return the id and the secret of a new key; the secret contains the id."""
    key_id = secrets.token_hex(_ID_BYTES)
    return key_id, f"{PREFIX}{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def hashed(secret: str) -> bytes:
    """Return what is stored of a secret. It has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


class ApiKeyAuthenticator:
    """Knows bearer tokens that are API keys."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return the owner of an API key; None for other credentials.

        Raises:
            Unauthenticated: the key is unknown, revoked or expired, or was sent in the URL.
        """
        if PREFIX in presented.query:
            raise Unauthenticated(
                "an API key was sent in the URL, which logs and proxies keep: revoke it, and send another one in the "
                "header `authorization: Bearer <key>`"
            )
        scheme, _, secret = presented.authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.startswith(PREFIX):
            return None
        key = self._keys.find(secret.removeprefix(PREFIX).partition("_")[0])
        # Compared for unknown keys, too, so that the time of an answer does not tell which ids exist.
        expected = key.secret_hash if key is not None else bytes(hashlib.sha256().digest_size)
        if not hmac.compare_digest(hashed(secret), expected) or key is None:
            raise Unauthenticated("the API key is unknown or revoked; make one with: flytetemporal access keys create")
        if key.expires_at <= datetime.now(UTC):
            raise Unauthenticated(f"API key {key.id} has expired; make another one")
        return _identity(key)


def _identity(key: ApiKey) -> Identity:
    return Identity(
        subject=key.owner.name,
        issuer=ISSUER,
        kind=Kind.SERVICE if key.owner.kind is SubjectKind.SERVICE else Kind.USER,
        credential=Credential.API_KEY,
        credential_id=key.id,
        expires_at=key.expires_at,
        restriction=key.restriction,
    )
