"""What an issuer publishes about itself: its endpoints, and the keys by which its tokens are verified.

Both are fetched together and kept. They are fetched again once they are old, in the background, and at once if a token
names a key that is not known, but not more often than the settings allow. If a fetch fails, what is known stays.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key
from prometheus_client import Counter

from flytetemporal.auth.oidc.documents import Document, Documents
from flytetemporal.config.oidc import OidcSettings, is_protected
from flytetemporal.errors import Unavailable

WELL_KNOWN = "/.well-known/openid-configuration"
MIN_RSA_BITS = 2048
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "revocation_endpoint")
_REQUIRED = _ENDPOINTS[:3]
# More keys than this would not be read one by one.
_MAX_KEYS = 100

_FETCHES = Counter("flytetemporal_auth_issuer_fetches_total", "Fetches of the keys of the issuer.", ["result"])
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Metadata:
    """The endpoints of an issuer, empty for those it lacks; ``has_post``: it takes secrets of clients in bodies."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    revocation_endpoint: str
    has_post: bool


@dataclass(frozen=True, slots=True)
class _Published:
    metadata: Metadata
    keys: dict[str, Key]
    fetched_at: float


class Provider:
    """An issuer, with what it has published."""

    def __init__(
        self, settings: OidcSettings, documents: Documents, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.issuer = settings.issuer
        self._max_age = settings.keys_max_age.total_seconds()
        self._min_interval = settings.keys_min_interval.total_seconds()
        self._documents = documents
        self._clock = clock
        self._published: _Published | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._tried_at: float | None = None
        self._problem = ""

    @property
    def discovery_url(self) -> str:
        """Where the issuer describes itself."""
        return self.issuer.rstrip("/") + WELL_KNOWN

    async def metadata(self) -> Metadata:
        """Return the endpoints. Raises ``Unavailable`` if they are not known and the issuer does not answer."""
        if self._published is None:
            await self._fetched()
        return self._known().metadata

    async def key(self, key_id: str) -> Key | None:
        """Return the key of this id, or the only one if the id is empty; None if the issuer has no such key.

        Raises:
            Unavailable: the key is not known, and the issuer does not answer.
        """
        found = self._find(key_id)
        if found is not None:
            if self._clock() - self._known().fetched_at > self._max_age:
                self._start_fetching()
            return found
        await self._fetched()
        found = self._find(key_id)
        if found is None and self._problem:
            raise self._unavailable()
        return found

    def _find(self, key_id: str) -> Key | None:
        if self._published is None:
            return None
        keys = self._published.keys
        if not key_id:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(key_id)

    def _known(self) -> _Published:
        if self._published is None:
            raise self._unavailable()
        return self._published

    def _unavailable(self) -> Unavailable:
        text = f"the identity provider {self.issuer} cannot be asked, so nobody new can sign in; try again later"
        return Unavailable(f"{text} ({self._problem})" if self._problem else text)

    async def _fetched(self) -> None:
        """Wait for a fetch that has started; without one, start it if the last one was long enough ago."""
        self._start_fetching()
        if self._fetching is not None:
            # Shielded: the client of one call may hang up, but others wait for the same fetch.
            await asyncio.shield(self._fetching)

    def _start_fetching(self) -> None:
        now = self._clock()
        if self._fetching is not None or (self._tried_at is not None and now - self._tried_at < self._min_interval):
            return
        self._tried_at = now
        self._fetching = asyncio.create_task(self._fetch(now))

    async def _fetch(self, now: float) -> None:
        try:
            description = await self._documents.get(self.discovery_url)
            metadata = _metadata(description, self.issuer)
            keys = _keys(await self._documents.get(metadata.jwks_uri))
        except Unavailable as e:
            self._problem = e.message
            _FETCHES.labels("failed").inc()
            known = self._published is not None
            _log.warning("issuer_not_read", issuer=self.issuer, problem=e.message, keys_known=known)
        else:
            self._published, self._problem = _Published(metadata, keys, now), ""
            _FETCHES.labels("ok").inc()
        finally:
            self._fetching = None


def _metadata(description: Document, issuer: str) -> Metadata:
    if description.get("issuer") != issuer:
        raise Unavailable(f"its description is that of another issuer: {str(description.get('issuer'))[:200]}")
    found: dict[str, str] = {}
    for name in _ENDPOINTS:
        url = description.get(name, "")
        if not isinstance(url, str) or (not url and name in _REQUIRED):
            raise Unavailable(f"its description has no {name}")
        if url and not is_protected(url):
            raise Unavailable(f"its {name} is not https")
        found[name] = url
    methods = description.get("token_endpoint_auth_methods_supported")
    return Metadata(**found, has_post=isinstance(methods, list) and "client_secret_post" in methods)


def _keys(document: Document) -> dict[str, Key]:
    """Return the public keys that sign, by their ids; others, and those that are not understood, are left out."""
    entries = document.get("keys")
    listed = [entry for entry in entries[:_MAX_KEYS] if isinstance(entry, dict)] if isinstance(entries, list) else []
    found = {str(entry.get("kid", "")): key for entry in listed if (key := _key(entry)) is not None}
    if not found:
        raise Unavailable("it publishes no key that signs tokens")
    return found


def _key(entry: dict[str, Any]) -> Key | None:
    if entry.get("kty") not in ("RSA", "EC", "OKP") or entry.get("use", "sig") != "sig" or "d" in entry:
        return None
    try:
        key = JWKRegistry.import_key(entry)
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError) as e:
        _log.warning("issuer_key_not_understood", key_id=str(entry.get("kid"))[:200], problem=str(e)[:200])
        return None
    weak = key.key_type == "RSA" and key.raw_value.key_size < MIN_RSA_BITS  # type: ignore[union-attr]
    return None if weak else key
