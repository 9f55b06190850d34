"""The HTTP routes of the authorization server, at the paths of flyteadmin."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from flytetemporal.auth.authentication import Authenticator
from flytetemporal.auth.identity import Identity
from flytetemporal.auth.server import pages
from flytetemporal.auth.server.engine import Answer, OAuthServer
from flytetemporal.auth.server.sessions import person
from flytetemporal.errors import FlyteError, InvalidRequest, Unauthenticated
from flytetemporal.rpc import callers, status
from flytetemporal.rpc.callers import Presented

# Requests of clients are far smaller.
MAX_FORM_BYTES = 64 * 1024
FORM_SECONDS = 30.0
MAX_FIELDS = 50

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(server: OAuthServer, browsers: Authenticator) -> list[Route]:
    """Return the routes; ``browsers`` knows the cookies of users who have signed in at ``/login``."""
    endpoints = _Endpoints(server, browsers)
    return [
        # The gateway would answer with other names of fields to clients that do not ask for JSON.
        Route("/.well-known/oauth-authorization-server", endpoints.metadata),
        Route("/oauth2/jwks", endpoints.jwks),
        Route("/oauth2/authorize", answering(endpoints.authorize), methods=["GET", "POST"]),
        Route("/oauth2/token", answering(endpoints.token), methods=["POST"]),
        Route("/oauth2/device_authorization", answering(endpoints.device_authorization), methods=["POST"]),
        Route("/oauth2/device", answering(endpoints.device_page)),
        Route("/oauth2/device", answering(endpoints.device_decision), methods=["POST"]),
    ]


def answering(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint that shows our errors as a page with the right status."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except FlyteError as e:
            found = status.status(e)
            return pages.text("This did not work", found.message, status.HTTP_STATUS.get(found.code, 500))

    return answer


async def form(request: Request) -> dict[str, list[str]]:
    """Return the fields of a form.

    Raises:
        InvalidRequest: it is too large, arrives too slowly, or is none.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for chunk in request.stream():
                content += chunk
                if len(content) > MAX_FORM_BYTES:
                    raise InvalidRequest(f"the form is larger than {MAX_FORM_BYTES} bytes")
        return parse_qs(content.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except (TimeoutError, ValueError) as e:
        raise InvalidRequest("the form cannot be read; send application/x-www-form-urlencoded") from e


def single(values: Mapping[str, list[str]]) -> dict[str, str]:
    """Return the first value of each field."""
    return {name: found[0] for name, found in values.items()}


class _Endpoints:
    def __init__(self, server: OAuthServer, browsers: Authenticator) -> None:
        self._server = server
        self._browsers = browsers

    async def metadata(self, _: Request) -> Response:
        return JSONResponse(self._server.metadata())

    async def jwks(self, _: Request) -> Response:
        return JSONResponse((await self._server.ring.keys()).public())

    async def token(self, request: Request) -> Response:
        return _json(await self._server.token(await form(request), _headers(request)))

    async def device_authorization(self, request: Request) -> Response:
        return _json(await self._server.device(await form(request), _headers(request)))

    async def authorize(self, request: Request) -> Response:
        query = request.url.query.encode() if request.method == "GET" else b""
        values = parse_qs(query.decode(), keep_blank_values=True) if query else await form(request)
        if (refused := await self._server.refusal(values)) is not None:
            return _browser(refused)
        identity = await self._signed_in(request)
        if identity is None:
            return _login("/oauth2/authorize", values)
        return _browser(await self._server.authorize(values, person(identity)))

    async def device_page(self, request: Request) -> Response:
        code = request.query_params.get("user_code", "")
        identity = await self._signed_in(request)
        if identity is None:
            return _login("/oauth2/device", {"user_code": [code]} if code else {})
        if not code:
            return pages.ask_code()
        waiting = await self._server.waiting_device(code)
        if waiting is None or waiting.used_at is not None:
            return pages.ask_code("No device waits with this code; check it, or start again.", 404)
        return pages.allow_device(request, identity.name or identity.subject, waiting.client_id, code)

    async def device_decision(self, request: Request) -> Response:
        values = single(await form(request))
        pages.check_form(request, values)
        identity = await self._signed_in(request)
        if identity is None:
            raise Unauthenticated("the session of this browser has ended; open the link of the device again")
        allow = values.get("decision") == "allow"
        if not await self._server.decide(values.get("user_code", ""), person(identity), allow=allow):
            return pages.ask_code("No device waits with this code; check it, or start again.", 404)
        words = "The device acts as you now. You can close this page." if allow else "The device was refused."
        return pages.text("Connect a device", words)

    async def _signed_in(self, request: Request) -> Identity | None:
        # Only cookies count here: a page of a browser sends no bearer token.
        presented = Presented(cookies=callers.of_http(request).cookies, transport="http")
        try:
            return await self._browsers.authenticate(presented)
        except Unauthenticated:  # An old session: sign in again.
            return None


def _headers(request: Request) -> Mapping[str, str]:
    # authlib looks for this one, by this name.
    found = request.headers.get("authorization")
    return {"Authorization": found} if found else {}


def _json(answer: Answer) -> Response:
    return JSONResponse(dict(answer.body), answer.status, headers=dict(answer.headers))


def _browser(answer: Answer) -> Response:
    if answer.location:
        return RedirectResponse(answer.location, 302, headers={"Cache-Control": "no-store"})
    words = answer.body.get("error_description") or answer.body.get("error") or "The request is malformed."
    return pages.text("The client is not allowed to do this", str(words), answer.status)


def _login(path: str, values: Mapping[str, list[str]]) -> Response:
    query = "&".join(f"{quote(name)}={quote(one)}" for name, found in values.items() for one in found)
    location = f"{path}?{query}" if query else path
    target = f"/login?redirect_url={quote(location, safe='')}"
    return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
