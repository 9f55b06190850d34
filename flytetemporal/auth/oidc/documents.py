"""Documents of an issuer: JSON over HTTP, within limits of size and time, without redirects."""

import asyncio
import json
import ssl
from typing import Any, TypeAlias

import httpx

from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import Unavailable

Document: TypeAlias = dict[str, Any]

# The keys of Entra, which has the most, are 20 KiB.
MAX_BYTES = 256 * 1024


class Documents:
    """Asks an issuer for documents."""

    def __init__(self, settings: OidcSettings) -> None:
        self._seconds = settings.timeout.total_seconds()
        self._proxy = settings.proxy or None
        self._tls = ssl.create_default_context()
        if settings.ca_file:
            self._tls.load_verify_locations(settings.ca_file)

    async def get(self, url: str, token: str = "") -> Document:
        """Return a document, asked for with a bearer token if one is given.

        Raises:
            Unavailable: the issuer does not answer with a document.
        """
        status, found = await self.ask("GET", url, headers={"authorization": f"Bearer {token}"} if token else {})
        if status != httpx.codes.OK:
            raise Unavailable(f"{url} answers with status {status}")
        return found

    async def ask(self, method: str, url: str, *, headers: dict[str, str], body: str = "") -> tuple[int, Document]:
        """Send a request, and return the status and the document of the answer.

        Raises:
            Unavailable: the issuer does not answer, or with something else than a document.
        """
        try:
            async with asyncio.timeout(self._seconds):
                status, content = await self._exchange(method, url, headers, body)
        except TimeoutError as e:
            raise Unavailable(f"{url} does not answer within {self._seconds:g} s") from e
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as e:
            raise Unavailable(f"{url} does not answer: {str(e) or type(e).__name__}") from e
        return status, _parsed(url, content)

    async def _exchange(self, method: str, url: str, headers: dict[str, str], body: str) -> tuple[int, bytes]:
        # Connections are not kept: requests are rare. Compressed answers could be larger than they look.
        sent = {"accept": "application/json", "accept-encoding": "identity", **headers}
        options: dict[str, Any] = {"verify": self._tls, "proxy": self._proxy, "timeout": self._seconds}
        content = bytearray()
        async with (
            httpx.AsyncClient(trust_env=False, follow_redirects=False, **options) as client,
            client.stream(method, url, headers=sent, content=body.encode()) as response,
        ):
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MAX_BYTES:
                    raise Unavailable(f"{url} answers with more than {MAX_BYTES} bytes")
        return response.status_code, bytes(content)


def _parsed(url: str, content: bytes) -> Document:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as e:
        raise Unavailable(f"{url} does not answer with JSON") from e
    if not isinstance(found, dict):
        raise Unavailable(f"{url} answers with something else than a JSON object")
    return found
