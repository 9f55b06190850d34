"""The grant types, on authlib's classes: they check a request, and note in its ``Exchange`` what is to be stored.

Nothing here reads or writes a database. authlib is synchronous, so the records that a request needs are read before,
and what it changes is written afterwards, in the same transaction.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant
from authlib.oauth2.rfc6749.requests import OAuth2Payload
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant
from authlib.oauth2.rfc8628.models import DeviceCredentialDict

from flytetemporal.auth.server.clients import Client
from flytetemporal.auth.server.records import Exchange, Grant, Person, Purpose, Secret, digest
from flytetemporal.config.authorization_server import OFFLINE

_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "none"]
SECRET_BYTES = 32
TOO_LATE = "this was used before or has expired; sign in again"


class _Payload(OAuth2Payload):
    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    @property
    def data(self) -> dict[str, str]:
        return {name: found[0] for name, found in self._values.items()}

    @property
    def datalist(self) -> Any:
        return self._values


class Request(OAuth2Request):
    """A request to one of the endpoints, with the records that it needs."""

    def __init__(
        self, method: str, url: str, values: Mapping[str, Sequence[str]], headers: Mapping[str, str], exchange: Exchange
    ) -> None:
        super().__init__(method, url, headers=headers)
        self.payload = _Payload(values)
        self.exchange = exchange

    @property
    def args(self) -> dict[str, str]:
        """The parameters."""
        return dict(self.payload.data)

    @property
    def form(self) -> dict[str, str]:
        """The same parameters: each endpoint has one place for them."""
        return dict(self.payload.data)


class _Code:
    """A code, as authlib sees it."""

    def __init__(self, secret: Secret) -> None:
        self.secret = secret
        self.code_challenge = secret.challenge
        self.code_challenge_method = "S256"

    def get_redirect_uri(self) -> str:
        return self.secret.redirect_uri

    def get_scope(self) -> str:
        return self.secret.grant.scope if self.secret.grant else ""

    def check_client(self, client: Client) -> bool:
        return self.secret.client_id == client.client_id


class Issuing:
    """How every grant type makes its tokens: for a grant, which is noted with them."""

    request: Request
    server: Any

    def generate_token(
        self, user: Person | None = None, scope: str | None = None, include_refresh_token: bool = True, **_: Any
    ) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        exchange, client = self.request.exchange, self.request.client
        present = exchange.found.grant if exchange.found else None
        grant = present or self.server.new_grant(client, user, scope, exchange)
        return dict(self.server.tokens(grant, scope, exchange, refreshable=include_refresh_token))

    def save_token(self, token: dict[str, Any]) -> None:
        """Store nothing: access tokens are not stored, and the exchange has the rest."""


class CodeGrant(Issuing, AuthorizationCodeGrant):
    """Exchanges the code of a user's browser. A code that comes twice was stolen, and revokes what it was given for."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION

    def save_authorization_code(self, code: str, request: Request) -> None:
        """Note the code, and the grant of the user that it stands for."""
        exchange: Exchange = request.exchange
        grant = self.server.new_grant(request.client, request.user, request.scope, exchange)
        exchange.secrets.append(
            Secret(
                digest(code),
                Purpose.CODE,
                request.client.client_id,
                exchange.now + self.server.settings.code_lifetime,
                grant=grant,
                redirect_uri=request.payload.redirect_uri or "",
                challenge=request.payload.data.get("code_challenge", ""),
            )
        )

    def query_authorization_code(self, code: str, client: Client) -> _Code:
        """Return the code, which counts as used from now on, also if the rest of the request is wrong."""
        return _Code(once(self.request.exchange, client))

    def authenticate_user(self, authorization_code: _Code) -> Person | None:
        """Return the user."""
        grant = authorization_code.secret.grant
        return grant.person if grant else None

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        """Keep it until it expires: a second use must be recognised."""


class RequiredChallenge(CodeChallenge):
    """PKCE with S256, which every client has to use that has no secret."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012  as in authlib

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Check the challenge of a request for a code."""
        data = grant.request.payload.data
        if grant.request.client.settings.public and not data.get("code_challenge"):
            raise InvalidRequestError("Missing code_challenge: a client without a secret uses PKCE")
        if data.get("code_challenge") and data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge_method must be S256")
        super().validate_code_challenge(grant, redirect_uri)


class RefreshGrant(Issuing, RefreshTokenGrant):
    """Exchanges a refresh token for an access token and the next refresh token."""

    TOKEN_ENDPOINT_AUTH_METHODS = _AUTHENTICATION
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> _Code:
        """Return the token, which counts as used from now on."""
        # The client is known by its secret or, without one, by nothing but this token.
        client = self.server.query_client(self._client_id())
        return _Code(once(self.request.exchange, client, self.server.settings.refresh_reuse_grace))

    def authenticate_user(self, refresh_token: _Code) -> Person | None:
        """Return the user."""
        grant = refresh_token.secret.grant
        return grant.person if grant else None

    def revoke_old_credential(self, refresh_token: _Code) -> None:
        """It was used; see ``once``."""

    def _client_id(self) -> str:
        return str(self.request.exchange.found.client_id) if self.request.exchange.found else ""


class ServiceGrant(Issuing, ClientCredentialsGrant):
    """Gives a client with a secret a token for itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]  # noqa: RUF012  as in authlib


class DeviceGrant(Issuing, DeviceCodeGrant):
    """Gives a device its tokens once its user has allowed it in a browser."""

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        """Return the device that waits."""
        found = self.request.exchange.found
        if found is None or found.used_at is not None:
            return None
        return DeviceCredentialDict(client_id=found.client_id, scope=found.scope, user_code="", expires_at=None)

    def query_user_grant(self, user_code: str) -> tuple[Person | None, bool] | None:
        """Return who has decided, and how."""
        found = self.request.exchange.found
        if found is None or (found.grant is None and not found.denied):
            return None
        self.request.exchange.used = True
        return (found.grant.person, True) if found.grant else (None, False)

    def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
        """Never: an answer costs less than keeping track of the questions."""
        return False


class DeviceEndpoint(DeviceAuthorizationEndpoint):
    """Where a device gets its codes."""

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.EXPIRES_IN = int(server.settings.device_code_lifetime.total_seconds())
        self.INTERVAL = int(server.settings.device_poll_interval.total_seconds())

    def get_verification_uri(self) -> str:
        """Return where users go."""
        return f"{self.server.issuer}/oauth2/device"

    def authenticate_client(self, request: Request) -> Client:
        """Return the client that asks, if it may use devices."""
        client: Client = super().authenticate_client(request)
        if not client.check_grant_type(DeviceGrant.GRANT_TYPE):
            raise InvalidRequestError("the client may not use the device flow")
        return client

    def create_endpoint_response(self, request: Request) -> Any:
        """Return the codes, and note their digests."""
        status, data, headers = super().create_endpoint_response(request)
        exchange, client = request.exchange, request.client
        shared = Secret(
            digest(data["device_code"]),
            Purpose.DEVICE,
            client.client_id,
            exchange.now + self.server.settings.device_code_lifetime,
            scope=client.get_allowed_scope(request.payload.scope),
        )
        user_code = replace(shared, digest=digest(data["user_code"]), purpose=Purpose.USER_CODE, device=shared.digest)
        exchange.secrets += [shared, user_code]
        return status, data, headers

    def save_device_credential(self, client_id: str, scope: str, data: Mapping[str, Any]) -> None:
        """Store nothing here: ``create_endpoint_response`` knows the exchange."""


def once(exchange: Exchange, client: Client | None, grace: timedelta | None = None) -> Secret:
    """Return the secret of an exchange, which is used up by that.

    Raises:
        InvalidGrantError: it is unknown, expired, revoked, another client's, or was used before, longer than
            ``grace`` ago; such a use also revokes its grant.
    """
    found = exchange.found
    if found is None or found.grant is None or client is None or found.client_id != client.client_id:
        raise InvalidGrantError(TOO_LATE)
    if found.used_at is not None and (grace is None or exchange.now - found.used_at > grace):
        exchange.revoke = found.grant.id
        raise InvalidGrantError(TOO_LATE)
    if found.grant.revoked:
        raise InvalidGrantError(TOO_LATE)
    exchange.used = True
    return found


def new_secret() -> str:
    """Return a new random code or token."""
    return secrets.token_urlsafe(SECRET_BYTES)


def refreshable(grant: Grant, client: Client) -> bool:
    """Whether a refresh token may be issued."""
    return OFFLINE in grant.scope.split() and client.check_grant_type("refresh_token")
