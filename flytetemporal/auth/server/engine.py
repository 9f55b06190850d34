"""The authorization server: authlib's, and what makes it asynchronous."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer

from flytetemporal.auth import audit
from flytetemporal.auth.identity import Kind
from flytetemporal.auth.server import clients, grants, tokens
from flytetemporal.auth.server.clients import Client
from flytetemporal.auth.server.grants import DeviceGrant, Request
from flytetemporal.auth.server.keys import KeyRing, Keys
from flytetemporal.auth.server.records import Exchange, Grant, Person, Purpose, Records, Secret, digest
from flytetemporal.config.authorization_server import (
    ALL,
    CLIENT_CREDENTIALS,
    CODE,
    DEVICE,
    OFFLINE,
    REFRESH,
    AuthorizationServerSettings,
)

SCOPES = [ALL, OFFLINE]
# Which parameter of a request names a secret, by grant type.
_SECRETS = {
    CODE: ("code", Purpose.CODE),
    REFRESH: ("refresh_token", Purpose.REFRESH),
    DEVICE: ("device_code", Purpose.DEVICE),
}

# Requests for tokens that are served at once.
_CONCURRENT_REQUESTS = 4

Values = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: a JSON object, or no body and a ``Location``."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def location(self) -> str:
        """Where the browser is sent; empty: nowhere."""
        return self.headers.get("Location", "")


class _Server(AuthorizationServer):
    """authlib's server with our clients, grants and tokens, for the keys of one request."""

    def __init__(
        self, settings: AuthorizationServerSettings, issuer: str, known: Mapping[str, Client], keys: Keys
    ) -> None:
        super().__init__(scopes_supported=SCOPES)
        self.settings = settings
        self.issuer = issuer
        self._clients = known
        self._keys = keys
        self.register_client_auth_method("client_secret_basic", clients.by_basic)
        self.register_grant(grants.CodeGrant, [grants.RequiredChallenge(required=True)])
        self.register_grant(grants.RefreshGrant)
        self.register_grant(grants.ServiceGrant)
        self.register_grant(DeviceGrant)
        self.register_endpoint(grants.DeviceEndpoint(self))

    def query_client(self, client_id: str) -> Client | None:
        return self._clients.get(client_id)

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: Sequence[tuple[str, str]]) -> Answer:
        return Answer(status, body if isinstance(body, dict) else {}, dict(headers))

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Send none: nothing listens."""

    def new_grant(self, client: Client, person: Person | None, scope: str | None, exchange: Exchange) -> Grant:
        lifetime = max(self.settings.refresh_token_lifetime, self.settings.access_token_lifetime)
        found = Grant(
            uuid.uuid4().hex, client.client_id, person, client.get_allowed_scope(scope), exchange.now + lifetime
        )
        if person is not None:  # A client that acts for itself gets another token with its secret at any time.
            exchange.grants.append(found)
        return found

    def tokens(self, grant: Grant, scope: str | None, exchange: Exchange, *, refreshable: bool) -> dict[str, Any]:
        lifetime = self.settings.access_token_lifetime
        if grant.person is not None:
            audit.names(grant.person.subject, Kind.USER, grant.client_id)
        else:
            audit.names(grant.client_id, Kind.SERVICE, grant.client_id)
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "access_token": tokens.access_token(self.issuer, self._keys, grant, exchange.now, lifetime),
            "expires_in": int(lifetime.total_seconds()),
            "scope": scope or grant.scope,
        }
        if refreshable and grants.refreshable(grant, self._clients[grant.client_id]):
            answer["refresh_token"] = grants.new_secret()
            expires_at = exchange.now + self.settings.refresh_token_lifetime
            exchange.secrets.append(
                Secret(digest(answer["refresh_token"]), Purpose.REFRESH, grant.client_id, expires_at, grant)
            )
        return answer


class OAuthServer:
    """The endpoints of the authorization server, without their transport."""

    def __init__(self, settings: AuthorizationServerSettings, issuer: str, records: Records, ring: KeyRing) -> None:
        self.settings = settings
        self.issuer = issuer
        self.records = records
        self.ring = ring
        self._clients = clients.of(settings)
        # Of strangers, too. Each holds a connection to the database and a thread, and hashes a secret: the others wait.
        self._turns = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def token(self, values: Values, headers: Mapping[str, str]) -> Answer:
        """Answer a request for tokens."""
        name, purpose = _SECRETS.get(_first(values, "grant_type"), ("", None))
        server = await self._server()
        async with self._turns, self.records.exchanging(purpose, digest(_first(values, name))) as exchange:
            request = Request("POST", self._url("token"), values, headers, exchange)
            # In a thread, because the hash of a client's secret is slow on purpose.
            answer: Answer = await asyncio.to_thread(server.create_token_response, request)
        return answer

    async def device(self, values: Values, headers: Mapping[str, str]) -> Answer:
        """Answer a device that asks for its codes."""
        server = await self._server()
        async with self._turns, self.records.exchanging(None, "") as exchange:
            request = Request("POST", self._url("device_authorization"), values, headers, exchange)
            answer: Answer = await asyncio.to_thread(server.create_endpoint_response, "device_authorization", request)
        return answer

    async def refusal(self, values: Values) -> Answer | None:
        """Return why a request for a code is refused, before its user is asked to sign in; None if it is not."""
        server = await self._server()
        request = Request("GET", self._url("authorize"), values, {}, Exchange(datetime.now(UTC)))
        try:
            server.get_consent_grant(request, None)
        except OAuth2Error as e:
            refused: Answer = server.handle_error_response(request, e)
            return refused
        return None

    async def authorize(self, values: Values, person: Person) -> Answer:
        """Answer a request for a code by a user who has signed in."""
        server = await self._server()
        async with self.records.exchanging(None, "") as exchange:
            request = Request("GET", self._url("authorize"), values, {}, exchange)
            try:
                grant = server.get_consent_grant(request, person)
                answer: Answer = server.create_authorization_response(request, person, grant)
            except OAuth2Error as e:
                answer = server.handle_error_response(request, e)
        return answer

    async def waiting_device(self, user_code: str) -> Secret | None:
        """Return the device that waits for the user to allow it."""
        return await self.records.find(Purpose.USER_CODE, _user_code(user_code))

    async def decide(self, user_code: str, person: Person, *, allow: bool) -> bool:
        """Allow a device or deny it; return whether one waits."""
        if (waiting := await self.waiting_device(user_code)) is None:
            return False
        grant = None
        if allow:
            server = await self._server()
            async with self.records.exchanging(None, "") as exchange:
                client = self._clients.get(waiting.client_id)
                grant = server.new_grant(client, person, waiting.scope, exchange) if client else None
        return await self.records.decide(_user_code(user_code), grant)

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the server, as in RFC 8414."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": self._url("authorize"),
            "token_endpoint": self._url("token"),
            "jwks_uri": self._url("jwks"),
            "device_authorization_endpoint": self._url("device_authorization"),
            "response_types_supported": ["code"],
            "scopes_supported": SCOPES,
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "grant_types_supported": [CODE, REFRESH, CLIENT_CREDENTIALS, DEVICE],
        }

    async def _server(self) -> _Server:
        return _Server(self.settings, self.issuer, self._clients, await self.ring.keys())

    def _url(self, endpoint: str) -> str:
        return f"{self.issuer}/oauth2/{endpoint}"


def _first(values: Values, name: str) -> str:
    return next(iter(values.get(name, ())), "")


def _user_code(typed: str) -> str:
    """Return the digest of a user's code, however it was typed."""
    letters = "".join(letter for letter in typed.upper() if letter.isalnum())[:8]
    return digest(f"{letters[:4]}-{letters[4:]}")
