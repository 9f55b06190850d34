"""The HTTP client of deliveries: no redirects, no proxies of the environment, and answers are read only in part."""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from flytetemporal.errors import Unavailable

# Enough to say what is wrong. The rest of an answer is not read, however long it is.
ANSWER_BYTES = 2000
REMARK_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """The status of an answer and the beginning of its body."""

    status: int
    text: str

    @property
    def remark(self) -> str:
        """The answer on one line, for a record."""
        text = " ".join(self.text.split())[:REMARK_LENGTH]
        return f"{self.status} {text}".rstrip()


class HttpPoster:
    """Posts to HTTP servers, each attempt within a time limit."""

    def __init__(self, tls: ssl.SSLContext, timeout_seconds: float) -> None:
        self._seconds = timeout_seconds
        # A redirect could lead to a host that is not allowed; an environment's proxy would look up the host itself.
        self._client = httpx.AsyncClient(verify=tls, follow_redirects=False, trust_env=False, timeout=timeout_seconds)

    async def post(self, url: httpx.URL | str, place: str, **request: Any) -> Answer:
        """Post a request; ``place`` names the server in errors.

        Raises:
            Unavailable: the server cannot be reached, or does not answer in time.
        """
        try:
            async with asyncio.timeout(self._seconds), self._client.stream("POST", url, **request) as response:
                return Answer(response.status_code, await _beginning(response))
        except (TimeoutError, httpx.TimeoutException) as e:
            raise Unavailable(f"{place} took longer than {self._seconds:g} s") from e
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as e:
            raise Unavailable(f"{place} cannot be reached: {str(e) or type(e).__name__}") from e

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _beginning(response: httpx.Response) -> str:
    content = b""
    # Raw: an answer that is compressed could be very large.
    async for chunk in response.aiter_raw():
        content += chunk
        if len(content) >= ANSWER_BYTES:
            break
    if response.headers.get("content-encoding", "identity") != "identity":
        return ""
    return content[:ANSWER_BYTES].decode(errors="replace")
