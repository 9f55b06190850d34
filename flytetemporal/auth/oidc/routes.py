"""The HTTP routes of logins in the browser, named as in flyteadmin."""

import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from flytetemporal.auth import audit
from flytetemporal.auth.oidc.flow import CALLBACK, CodeFlow, Started
from flytetemporal.auth.oidc.provider import WELL_KNOWN, Provider
from flytetemporal.auth.oidc.redirects import Redirects
from flytetemporal.auth.oidc.sealing import Sealer, is_over
from flytetemporal.auth.oidc.sessions import Session, Sessions
from flytetemporal.errors import FlyteError, PermissionDenied, Unauthenticated, Unavailable
from flytetemporal.rpc import invocation, status

LOGIN, LOGOUT = "/login", "/logout"
STATE = "flyte_sso_state"
_PURPOSE = "login"
LOGIN_SECONDS = 600
_MAX_CODE_LENGTH = 8192
_NOT_STARTED = "this login was not started in this browser, took longer than 10 minutes, or is done; start at /login"
# Addresses of logins contain codes, and answers cookies.
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}

Endpoint = Callable[[Request], Awaitable[Response]]
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Logins:
    """Serves the routes."""

    def __init__(
        self, flow: CodeFlow, provider: Provider, sessions: Sessions, sealer: Sealer, redirects: Redirects
    ) -> None:
        self._flow = flow
        self._provider = provider
        self._sessions = sessions
        self._sealer = sealer
        self._redirects = redirects

    def routes(self) -> list[Route]:
        """Return the routes, to be served next to the methods."""
        return [
            Route(LOGIN, _answering(self.log_in)),
            Route(CALLBACK, _answering(self.come_back)),
            Route(LOGOUT, _answering(self.log_out)),
            Route(WELL_KNOWN, _answering(self.describe)),
        ]

    async def log_in(self, request: Request) -> Response:
        """Send the browser on if it has a session, renew one that is over, or send the browser to the issuer."""
        target = self._redirects.checked(request.query_params.get("redirect_url", ""))
        found = self._sessions.read(request.cookies)
        if found is not None:
            session, is_past = found
            if not is_past:
                return RedirectResponse(target, 303)
            if session.refresh_token and (renewed := await self._flow.renew(session)) is not None:
                return self._with_session(request, target, renewed)
        return self._sent_away(await self._flow.start(), target)

    async def come_back(self, request: Request) -> Response:
        """Start the session of a browser that comes back from the issuer."""
        started, target = self._started(request)
        query = request.query_params
        if not _same(query.get("state", ""), started.state):
            raise Unauthenticated(_NOT_STARTED)
        if query.get("iss", self._provider.issuer) != self._provider.issuer:
            raise Unauthenticated("this login comes from another identity provider than the one it was started at")
        if "error" in query:
            raise PermissionDenied(f"the identity provider refuses the login [{query['error'][:200]}]")
        code = query.get("code", "")
        if not code or len(code) > _MAX_CODE_LENGTH:
            raise Unauthenticated(_NOT_STARTED)
        session = await self._flow.finish(code, started.nonce, started.code_verifier)
        audit.names(session.identity.subject, session.identity.kind, session.identity.client_id)
        _log.info("logged_in", subject=session.identity.subject)
        return self._with_session(request, target, session)

    async def log_out(self, request: Request) -> Response:
        """End the session of the browser here; the one at the issuer goes on."""
        response = RedirectResponse(self._redirects.checked(request.query_params.get("redirect_url", "")), 303)
        if (found := self._sessions.read(request.cookies)) is not None:
            with contextlib.suppress(Unavailable):  # The refresh token is forgotten here in any case.
                await self._flow.end(found[0])
        self._sessions.clear(response, request.cookies)
        return response

    async def describe(self, _: Request) -> Response:
        """Send the client to the description of the issuer."""
        return RedirectResponse(self._provider.discovery_url, 303)

    def _sent_away(self, started: Started, target: str) -> Response:
        response = RedirectResponse(started.url, 303)
        value = {"state": started.state, "nonce": started.nonce, "verifier": started.code_verifier, "target": target}
        sealed = self._sealer.seal(_PURPOSE, value, time.time() + LOGIN_SECONDS)
        self._sessions.set(response, STATE, sealed, LOGIN_SECONDS)
        return response

    def _started(self, request: Request) -> tuple[Started, str]:
        opened = self._sealer.open(_PURPOSE, request.cookies.get(self._sessions.prefix + STATE, ""))
        if opened is None or is_over(opened[1]):
            raise Unauthenticated(_NOT_STARTED)
        value, _ = opened
        return Started("", value["state"], value["nonce"], value["verifier"]), value["target"]

    def _with_session(self, request: Request, target: str, session: Session) -> Response:
        response = RedirectResponse(target, 303)
        self._sessions.write(response, session, request.cookies)
        self._sessions.delete(response, STATE)
        return response


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _answering(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with errors as sentences, and with the headers of all answers."""

    async def answer(request: Request) -> Response:
        try:
            response = await endpoint(request)
        except FlyteError as e:
            refused = invocation.refusal("login", e)
            response = PlainTextResponse(refused.message + "\n", status.HTTP_STATUS.get(refused.code, 500))
        response.headers.update(_HEADERS)
        return response

    return answer
