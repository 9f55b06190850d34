"""Cross-origin answers as Flyte's gateway gives them, with credentials allowed."""

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Cors:
    """ASGI middleware. ``origins`` holds the allowed ones, or ``*``."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = tuple(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; add the headers to every other answer to an allowed origin."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        allowed = self._allowed(headers.get("origin"))
        if allowed is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(headers, allowed)(scope, receive, send)
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                _allow(MutableHeaders(scope=message), allowed)
            await send(message)

        await self._app(scope, receive, send_with_origin)

    def _allowed(self, origin: str | None) -> str | None:
        if origin is None:
            return None
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None


def _preflight(headers: Headers, allowed: str) -> Response:
    response = Response()
    _allow(response.headers, allowed)
    wanted = headers.get("access-control-request-headers")
    if wanted:
        response.headers["access-control-allow-headers"] = wanted
    return response


def _allow(headers: MutableHeaders, allowed: str) -> None:
    headers["access-control-allow-origin"] = allowed
    headers["access-control-allow-credentials"] = "true"
