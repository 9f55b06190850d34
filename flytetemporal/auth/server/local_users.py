"""Sign-in of local users at ``/login``, for installations without an identity provider."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from flytetemporal.auth import audit
from flytetemporal.auth.identity import Kind
from flytetemporal.auth.passwords import Attempts, PasswordFile
from flytetemporal.auth.server import pages
from flytetemporal.auth.server.records import Person
from flytetemporal.auth.server.routes import answering, form, single
from flytetemporal.auth.server.sessions import Sessions

MAX_NAME_CHARACTERS = 255


def routes(users: PasswordFile, sessions: Sessions) -> list[Route]:
    """Return the routes of sign-in and sign-out."""
    endpoints = _Endpoints(users, sessions)
    return [
        Route("/login", answering(endpoints.page)),
        Route("/login", answering(endpoints.sign_in), methods=["POST"]),
        Route("/logout", answering(endpoints.sign_out), methods=["GET", "POST"]),
    ]


class _Endpoints:
    def __init__(self, users: PasswordFile, sessions: Sessions) -> None:
        self._users = users
        self._sessions = sessions
        self._attempts = Attempts()

    async def page(self, request: Request) -> Response:
        location = pages.local_location(request.query_params.get("redirect_url") or "/login")
        return pages.sign_in(request, location)

    async def sign_in(self, request: Request) -> Response:
        values = single(await form(request))
        pages.check_form(request, values)
        location = pages.local_location(values.get("redirect_url") or "/login")
        name = values.get("user", "")[:MAX_NAME_CHARACTERS]
        audit.names(name, Kind.USER)
        self._attempts.check(name)
        user = await self._users.user(name, values.get("password", ""))
        if user is None:
            self._attempts.failed(name)
            return pages.sign_in(request, location, "The user or the password is wrong.", 401)
        answer: Response
        if location == "/login":
            answer = pages.text("Sign in to Flyte", f"You are signed in as {user.name}.")
        else:
            answer = RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})
        await self._sessions.start(Person(user.name, user.groups, name=user.name), answer)
        return answer

    async def sign_out(self, request: Request) -> Response:
        answer = pages.text("Flyte", "You are signed out.")
        await self._sessions.end(request, answer)
        return answer
