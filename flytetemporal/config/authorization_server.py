"""Settings of our own authorization server, which mirrors Flyte's ``auth.appAuth.selfAuthServer``."""

from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, model_validator

from flytetemporal.config.part import Part

CODE, REFRESH, CLIENT_CREDENTIALS = "authorization_code", "refresh_token", "client_credentials"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
GRANT_TYPES = (CODE, REFRESH, CLIENT_CREDENTIALS, DEVICE)
ALL, OFFLINE = "all", "offline"


class ClientSettings(BaseModel):
    """A client that may ask for tokens."""

    model_config = Part.model_config

    secret_hash: str = ""
    """Argon2 or bcrypt hash of the secret, as ``flytetemporal hash-password`` prints it; empty: a public client, which
    has no secret and needs PKCE."""
    redirect_uris: tuple[str, ...] = ()
    """Exact URIs to which codes are sent."""
    grant_types: tuple[str, ...] = (CODE, REFRESH, DEVICE)
    """What the client may exchange for tokens."""
    scopes: tuple[str, ...] = (ALL, OFFLINE)
    """Scopes that the client may ask for. Without ``offline`` it gets no refresh tokens."""

    @property
    def public(self) -> bool:
        """Whether the client has no secret."""
        return not self.secret_hash

    @model_validator(mode="after")
    def _consistent(self) -> "ClientSettings":
        if unknown := [name for name in self.grant_types if name not in GRANT_TYPES]:
            raise ValueError(f"grant type [{unknown[0]}] is unknown; known are {', '.join(GRANT_TYPES)}")
        if self.public and CLIENT_CREDENTIALS in self.grant_types:
            raise ValueError(f"a client with grant type {CLIENT_CREDENTIALS} needs a secret_hash")
        for uri in self.redirect_uris:
            parts = urlsplit(uri)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
                raise ValueError(f"redirect URI [{uri}] must be an http or https URL without a fragment")
        return self


def _public() -> ClientSettings:
    return ClientSettings(redirect_uris=("http://localhost:53593/callback", "http://localhost:12345/callback"))


class AuthorizationServerSettings(Part):
    """Our own authorization server. It is off by default."""

    enabled: bool = False
    """Whether this installation issues tokens itself."""
    issuer: str = ""
    """The issuer in tokens and the base of the server's URLs; empty: the public URL of admin, which fits almost
    always."""
    key_files: tuple[str, ...] = ()
    """PEM files of RSA keys: the first one signs, all verify. To rotate, add a new key in front, and remove the old one
    when its last token has expired. A file that is replaced counts at once. Empty: keys are kept in the database."""
    key_lifetime: timedelta = Field(default=timedelta(days=30), ge=timedelta(hours=1))
    """Age at which a signing key in the database is replaced. The old one verifies until its last token has expired."""
    users_file: str = ""
    """File of users that may sign in with a password, a line ``name:hash:group,group`` each; the groups can be left
    out. Empty: users sign in through OIDC."""
    clients: dict[str, ClientSettings] = Field(default_factory=dict)
    """Clients besides Flyte's ``flytectl`` and ``flyte-cli``; one of the same name replaces these."""
    client_config_id: str = "flytectl"
    """The client that flytekit and flytectl use for Pkce and DeviceFlow."""
    access_token_lifetime: timedelta = Field(default=timedelta(minutes=30), ge=timedelta(seconds=1))
    """Flyte's default."""
    refresh_token_lifetime: timedelta = Field(default=timedelta(days=7), ge=timedelta(seconds=1))
    """A refresh token that is not used for this time expires. Flyte's default is an hour, after which users that paused
    sign in again."""
    task_token_lifetime: timedelta = Field(default=timedelta(days=7), ge=timedelta(minutes=1))
    """Time after which the token of a task attempt expires even if the attempt still runs. It is valid no longer than
    the attempt runs."""
    code_lifetime: timedelta = Field(default=timedelta(minutes=5), ge=timedelta(seconds=1), le=timedelta(minutes=10))
    """Flyte's default."""
    device_code_lifetime: timedelta = Field(default=timedelta(minutes=15), ge=timedelta(seconds=1))
    """How long a device waits for its user."""
    device_poll_interval: timedelta = Field(default=timedelta(seconds=5), ge=timedelta(seconds=1))
    """How often a device may ask."""
    session_lifetime: timedelta = Field(default=timedelta(hours=12), ge=timedelta(seconds=1))
    """How long a user stays signed in in a browser."""
    refresh_reuse_grace: timedelta = Field(default=timedelta(seconds=10), ge=timedelta(0), le=timedelta(minutes=1))
    """A refresh token that is used again within this time after its first use is a repeated call or another process of
    the same user; later it is a theft, and revokes all tokens of that sign-in."""

    @model_validator(mode="after")
    def _has_client(self) -> "AuthorizationServerSettings":
        if self.client_config_id not in self.all_clients():
            raise ValueError(f"client_config_id [{self.client_config_id}] is none of the clients")
        return self

    def all_clients(self) -> dict[str, ClientSettings]:
        """Return the clients by id: Flyte's public ones, and those of the settings."""
        return {"flytectl": _public(), "flyte-cli": _public(), **self.clients}
