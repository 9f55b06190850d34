"""The keys that sign tokens: PEM files, or rows of the database that are replaced by age."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from flytetemporal.auth.server.records import Records
from flytetemporal.config.authorization_server import AuthorizationServerSettings
from flytetemporal.errors import InvalidRequest

ALGORITHM = "RS256"
_BITS = 2048
# Files and rows are looked at again after this time, and when a token names an unknown key.
_REFRESH_SECONDS = 30.0
_UNKNOWN_KEY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Keys:
    """The key that signs, and all that verify."""

    signing: RSAKey
    verifying: KeySet

    def public(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that clients may see."""
        return dict(self.verifying.as_dict(private=False))

    def ids(self) -> frozenset[str]:
        """Return the ids of the keys that verify."""
        return frozenset(key.kid for key in self.verifying.keys if key.kid)


class _Source(Protocol):
    async def read(self) -> Sequence[bytes]: ...


@dataclass(frozen=True, slots=True)
class KeyFiles:
    """Keys in PEM files, the signing one first."""

    paths: Sequence[Path]

    async def read(self) -> Sequence[bytes]:
        """Return the content of the files.

        Raises:
            InvalidRequest: a file cannot be read.
        """
        try:
            return [path.read_bytes() for path in self.paths]
        except OSError as e:
            raise InvalidRequest(f"cannot read the signing key {e.filename}: {e.strerror}") from e


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """Keys in the database, newest first. A key of ``max_age`` is replaced, and verifies for ``kept`` after that."""

    records: Records
    max_age: timedelta
    kept: timedelta

    async def read(self) -> Sequence[bytes]:
        """Return the keys."""
        return [key.pem.encode() for key in await self.records.keys(self.max_age, self.kept)]


def source(settings: AuthorizationServerSettings, records: Records) -> KeyFiles | StoredKeys:
    """Return where the keys are, as the settings say."""
    if settings.key_files:
        return KeyFiles([Path(path) for path in settings.key_files])
    return StoredKeys(records, settings.key_lifetime, 2 * settings.access_token_lifetime)


def new_key() -> str:
    """Return a new key as PEM; blocks for a tenth of a second."""
    return RSAKey.generate_key(_BITS, private=True).as_pem(private=True).decode()


class KeyRing:
    """The present keys. Reads them again from time to time, so that a rotation needs no restart."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._lock = asyncio.Lock()
        self._keys: Keys | None = None
        self._read_at = 0.0
        self._content: Sequence[bytes] = ()

    async def keys(self) -> Keys:
        """Return the keys.

        Raises:
            InvalidRequest: there is none, or one is no RSA key.
        """
        return await self._fresh(_REFRESH_SECONDS)

    async def knowing(self, key_id: str) -> Keys:
        """Return the keys; they are read again if none has this id, because another admin can have made a new one."""
        found = await self.keys()
        return found if key_id in found.ids() else await self._fresh(_UNKNOWN_KEY_SECONDS)

    def forget(self) -> None:
        """Let the next call read the keys again."""
        self._keys = None

    async def _fresh(self, seconds: float) -> Keys:
        async with self._lock:
            if self._keys is None or time.monotonic() - self._read_at > seconds:
                content = await self._source.read()
                if self._keys is None or content != self._content:
                    self._keys, self._content = _parsed(content), content
                self._read_at = time.monotonic()
            return self._keys


def _parsed(content: Sequence[bytes]) -> Keys:
    if not content:
        raise InvalidRequest("there is no signing key")
    try:
        keys = [RSAKey.import_key(pem, {"use": "sig", "alg": ALGORITHM}) for pem in content]
    except (JoseError, ValueError, TypeError) as e:
        raise InvalidRequest(f"a signing key is no RSA key in PEM: {e}") from e
    if any(not key.is_private for key in keys[:1]):
        raise InvalidRequest("the first signing key has no private part")
    for key in keys:
        key.ensure_kid()
    return Keys(keys[0], KeySet(list(keys)))
