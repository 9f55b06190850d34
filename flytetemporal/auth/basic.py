"""Basic auth: users of a password file, for test environments."""

import asyncio
import base64
import binascii
import contextlib
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

import structlog
from cachetools import TTLCache

from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.auth.passwords import Attempts, LocalUser, PasswordFile
from flytetemporal.errors import InvalidRequest, QuotaExceeded, Unauthenticated, Unavailable
from flytetemporal.rpc.callers import Presented

ISSUER = "basic"
MAX_NAME_CHARACTERS = 255
# Longer ones are refused before they are decoded.
MAX_BYTES = 8192
# A password that was right is not hashed again for this time: each call of a client sends it.
REMEMBERED_SECONDS = 300.0
_REMEMBERED_USERS = 1000

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class BasicAuthenticator:
    """Knows the header ``authorization: Basic`` with the name and the password of a user of the file."""

    users: PasswordFile
    _attempts: Attempts = field(default_factory=Attempts, init=False)
    # By what was sent, as a digest with a key of this process: the hash in the file that it matched.
    _right: "TTLCache[bytes, str]" = field(
        default_factory=lambda: TTLCache(_REMEMBERED_USERS, REMEMBERED_SECONDS), init=False
    )
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), init=False)
    # One password is checked at a time: many that come at once would all find that few have failed so far.
    _checking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return the user whose name and password were presented; None for other credentials.

        Raises:
            Unauthenticated: the header is malformed, the user or the password is wrong, or there were too many wrong
                passwords.
            Unavailable: the file cannot be read.
        """
        scheme, _, encoded = presented.authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        name, password = _decoded(encoded.strip())
        try:
            user = await self._user(name, password)
        except InvalidRequest as e:
            # It was read at startup, so an edit has broken it. Its path and lines are for operators.
            _log.error("password_file_not_read", problem=e.message)
            raise Unavailable("the users of this server cannot be read; tell an administrator") from e
        return Identity(
            subject=user.name,
            issuer=ISSUER,
            kind=Kind.USER,
            groups=user.groups,
            credential=Credential.BASIC,
            credential_id=user.name,
            name=user.name,
        )

    async def _user(self, name: str, password: str) -> LocalUser:
        digest = hmac.digest(self._key, f"{name}\0{password}".encode(), hashlib.sha256)
        # Asked before failures are counted, so that strangers do not lock out who is at work.
        if (known := self._remembered(name, digest)) is not None:
            return known
        async with self._checking:
            return self._remembered(name, digest) or await self._checked(name, password, digest)

    def _remembered(self, name: str, digest: bytes) -> LocalUser | None:
        known = self.users.users().get(name)
        return known if known is not None and self._right.get(digest) == known.password_hash else None

    async def _checked(self, name: str, password: str, digest: bytes) -> LocalUser:
        try:
            self._attempts.check(name)
        except QuotaExceeded as e:
            raise Unauthenticated(e.message) from e
        found = await self.users.user(name, password)
        if found is None:
            self._attempts.failed(name)
            raise Unauthenticated("the user or the password is wrong")
        self._right[digest] = found.password_hash
        return found


def _decoded(encoded: str) -> tuple[str, str]:
    name = colon = password = ""
    if len(encoded) <= MAX_BYTES:
        with contextlib.suppress(binascii.Error, ValueError):
            name, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    if not name or not colon or len(name) > MAX_NAME_CHARACTERS:
        raise Unauthenticated("the header is not `authorization: Basic <user:password in base64>`")
    return name, password
