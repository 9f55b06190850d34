"""Sessions of local users in browsers: a random cookie, whose digest is stored."""

from dataclasses import dataclass, replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.auth.server import grants
from flytetemporal.auth.server.records import Grant, Person, Purpose, Records, Secret, digest
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc.callers import Presented

COOKIE = "flyte_session"
_BROWSER = "browser"


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions of local users; also the authenticator of their cookies. ``secure`` is whether the site has TLS."""

    records: Records
    issuer: str
    lifetime: timedelta
    secure: bool

    async def start(self, person: Person, response: Response) -> None:
        """Start a session, and have the browser keep its cookie."""
        secret = grants.new_secret()
        async with self.records.exchanging(None, "") as exchange:
            expires_at = exchange.now + self.lifetime
            grant = Grant(grants.new_secret(), _BROWSER, person, "all", expires_at)
            exchange.grants.append(grant)
            exchange.secrets.append(Secret(digest(secret), Purpose.SESSION, _BROWSER, expires_at, grant))
        response.set_cookie(
            COOKIE,
            secret,
            max_age=int(self.lifetime.total_seconds()),
            httponly=True,
            secure=self.secure,
            # Not strict: the browser comes from the page of a client, and back from there.
            samesite="lax",
        )

    async def end(self, request: Request, response: Response) -> None:
        """End the session of a browser."""
        if secret := request.cookies.get(COOKIE):
            await self.records.end(Purpose.SESSION, digest(secret))
        response.delete_cookie(COOKIE, httponly=True, secure=self.secure, samesite="lax")

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return whose browser it is.

        Raises:
            Unauthenticated: the cookie is of no session, or of one that has ended.
        """
        secret = presented.cookies.get(COOKIE)
        if presented.authorization or not secret:
            return None
        found = await self.records.find(Purpose.SESSION, digest(secret))
        if found is None or found.grant is None or found.grant.person is None or found.grant.revoked:
            raise Unauthenticated("the session of this browser has ended; open /login")
        return _identity(found.grant.person, self.issuer, found)


def _identity(person: Person, issuer: str, secret: Secret) -> Identity:
    known = Identity(
        subject=person.subject,
        issuer=issuer,
        kind=Kind.USER,
        client_id=_BROWSER,
        groups=person.groups,
        scopes=frozenset({"all"}),
        credential=Credential.COOKIE,
        credential_id=secret.digest[:12],
        expires_at=secret.expires_at,
    )
    return replace(known, email=person.email, name=person.name)


def person(identity: Identity) -> Person:
    """Return the user that an identity is, for what a browser allows."""
    return Person(identity.subject, identity.groups, identity.email, identity.name)
