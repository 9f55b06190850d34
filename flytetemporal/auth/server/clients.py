"""The clients that may ask for tokens, as authlib sees them."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request

from flytetemporal.auth import passwords
from flytetemporal.config.authorization_server import AuthorizationServerSettings, ClientSettings


@dataclass(frozen=True)
class Client(ClientMixin):
    """A client of the settings."""

    client_id: str
    settings: ClientSettings

    def get_client_id(self) -> str:
        """Return the id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """Return where a code is sent if the request does not say so."""
        return next(iter(self.settings.redirect_uris), None)

    def get_allowed_scope(self, scope: str | None) -> str:
        """Return what is granted of the scopes asked for; all if none is named."""
        asked = scope.split() if scope else self.settings.scopes
        return " ".join(name for name in asked if name in self.settings.scopes)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether a code may be sent there: exactly as configured."""
        return redirect_uri in self.settings.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether this is the secret; blocks for tens of milliseconds."""
        return not self.settings.public and passwords.matches(client_secret, self.settings.secret_hash)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether the client may prove itself this way: with its secret if it has one."""
        return (method == "none") == self.settings.public

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may use this response type."""
        return response_type == "code" and self.check_grant_type("authorization_code")

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client may use this grant type."""
        return grant_type in self.settings.grant_types


def by_basic(query_client: Callable[[str], Client | None], request: OAuth2Request) -> Client | None:
    """Return the client whose secret is in the header of a request.

    authlib's own method does not decode the "+" for which flytekit encodes a space, as forms do.
    """
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        name, colon, secret = b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    client = query_client(unquote_plus(name)) if scheme.lower() == "basic" and colon else None
    # Many clients do not encode the secret at all.
    return client if client and any(map(client.check_client_secret, {unquote_plus(secret), secret})) else None


def of(settings: AuthorizationServerSettings) -> Mapping[str, Client]:
    """Return the clients by id."""
    return {client_id: Client(client_id, client) for client_id, client in settings.all_clients().items()}
