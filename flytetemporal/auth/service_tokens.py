"""The tokens with which a worker signs in: those of a client with a secret, or those in a file."""

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from flytetemporal.errors import Unauthenticated, Unavailable

TIMEOUT_SECONDS = 30.0
# A token is replaced when this share of its lifetime is over.
_USED_SHARE = 0.8


@dataclass(slots=True)
class ClientTokens:
    """Gets tokens with the credentials of a client. One instance per event loop."""

    url: str
    client_id: str
    secret: str
    authorities: str = ""
    """PEM file with the authorities of the server; empty: those of the system."""
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _header: str = field(default="", init=False)
    _replaced_at: float = field(default=0.0, init=False)

    async def header(self) -> str:
        """Return ``Bearer`` and a token.

        Raises:
            Unauthenticated: the server refuses the client.
            Unavailable: the server does not answer.
        """
        if not self._header or time.monotonic() >= self._replaced_at:
            return await self.renewed(self._header)
        return self._header

    async def renewed(self, refused: str) -> str:
        """Return another token than ``refused``; it raises like ``header``."""
        async with self._lock:
            if self._header == refused:
                token = await self._fetched()
                self._header = f"Bearer {token['access_token']}"
                self._replaced_at = time.monotonic() + _USED_SHARE * float(token.get("expires_in", 60))
            return self._header

    async def _fetched(self) -> dict[str, Any]:
        verify = self.authorities or True
        try:
            async with AsyncOAuth2Client(
                self.client_id, self.secret, verify=verify, timeout=TIMEOUT_SECONDS, trust_env=False
            ) as client:
                return dict(await client.fetch_token(self.url, grant_type="client_credentials"))
        except OAuthError as e:
            raise Unauthenticated(f"{self.url} refuses the client [{self.client_id}]: {e.error}") from e
        except (httpx.HTTPError, OSError, ValueError, KeyError) as e:
            raise Unavailable(f"{self.url} gives no token to the client [{self.client_id}]: {e}") from e


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Reads a token from a file that something else renews, as Kubernetes does."""

    path: Path

    async def header(self) -> str:
        """Return ``Bearer`` and the token.

        Raises:
            Unavailable: the file cannot be read.
        """
        try:
            return f"Bearer {await asyncio.to_thread(self.path.read_text)}".strip()
        except (OSError, UnicodeDecodeError) as e:
            raise Unavailable(f"cannot read the token in {self.path}: {e}") from e

    async def renewed(self, _: str) -> str:
        """Return what is in the file by now."""
        return await self.header()
