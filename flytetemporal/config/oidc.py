"""Settings of tokens and logins of an external issuer."""

import base64
import binascii
from datetime import timedelta
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from flytetemporal.config.notifications import certificates
from flytetemporal.config.part import Part

COOKIE_KEY_BYTES = 32

# Only public keys verify these: with a symmetric one, a public key could be taken for the secret.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def is_loopback(host: str) -> bool:
    """Whether a host is of this machine."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_protected(url: str) -> bool:
    """Whether what is sent to an address can be read on no network: it is https, or http of this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )


def cookie_key(secret: SecretStr) -> bytes:
    """Return the bytes of a key of cookies. Raises ``ValueError`` if it has another form or length."""
    try:
        key = base64.b64decode(secret.get_secret_value(), validate=True)
    except (binascii.Error, ValueError) as e:
        raise ValueError("a key is written in base64, such as that of: openssl rand -base64 32") from e
    if len(key) != COOKIE_KEY_BYTES:
        raise ValueError(f"a key has {COOKIE_KEY_BYTES} bytes, and not {len(key)}; use: openssl rand -base64 32")
    return key


def _checked_key(secret: SecretStr) -> SecretStr:
    cookie_key(secret)
    return secret


def _checked_issuer(issuer: str) -> str:
    if issuer and not is_protected(issuer):
        raise ValueError(f"issuer [{issuer}] must be an address with https, or with http on this machine")
    return issuer


class OidcSettings(Part):
    """Tokens and logins of an external issuer, by OpenID Connect."""

    issuer: Annotated[str, AfterValidator(_checked_issuer)] = ""
    """URL of the issuer, exactly as in its tokens; empty: off."""
    audiences: tuple[str, ...] = ()
    """Audiences of which a token must name one; empty: ``admin.public_url``, as in Flyte."""
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")
    """Algorithms by which tokens may be signed."""
    clock_skew: timedelta = Field(default=timedelta(seconds=60), ge=timedelta(0), le=timedelta(minutes=10))
    """How far the clocks of the issuer and of this server may differ."""
    groups_claim: str = "groups"
    """Claim with the groups of a user; dots lead into objects, as in ``realm_access.roles``."""
    timeout: timedelta = Field(default=timedelta(seconds=5), gt=timedelta(0), le=timedelta(minutes=1))
    """Limit of one request to the issuer."""
    keys_max_age: timedelta = Field(default=timedelta(minutes=10), gt=timedelta(0))
    """Age at which the keys of the issuer are fetched again. A key that the issuer has withdrawn counts no longer
    after this time; while the issuer does not answer, the known ones do."""
    keys_min_interval: timedelta = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """Least time between two fetches of the keys, however many tokens name a key that is not known."""
    ca_file: Annotated[str, AfterValidator(certificates)] = ""
    """PEM file of certificates to trust besides the usual ones, for an issuer with a private authority."""
    proxy: str = ""
    """URL of an HTTP proxy between this server and the issuer; empty: none."""
    client_id: str = ""
    """Id of this server at the issuer, for logins in the browser; empty: no logins."""
    client_secret: SecretStr = SecretStr("")
    """The secret of that client; empty for a public client."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """Scopes that a login asks for. ``offline_access`` makes most issuers return a refresh token."""
    cookie_keys: tuple[Annotated[SecretStr, AfterValidator(_checked_key)], ...] = ()
    """Keys of session cookies, 32 bytes in base64 each. The first one encrypts, all of them decrypt: to replace a key,
    put the new one in front, and remove the old one after ``session_duration``. All replicas need the same keys."""
    session_duration: timedelta = Field(default=timedelta(hours=1), ge=timedelta(seconds=1), le=timedelta(days=1))
    """How long a session is valid, and so how late it shows that somebody has left a group. /login then renews it with
    the refresh token, if there is one, without asking the user."""
    redirect_url: str = "/console"
    """Where a login leads that names no other address. Flyte's default."""
    authorized_uris: tuple[str, ...] = ()
    """Addresses besides ``admin.public_url`` to which a login or logout may lead, compared by scheme, host and port."""

    @model_validator(mode="after")
    def _complete(self) -> "OidcSettings":
        if self.client_id and not self.issuer:
            raise ValueError("client_id needs issuer")
        if self.client_id and not self.cookie_keys:
            raise ValueError("client_id needs cookie_keys, to encrypt sessions; make one: openssl rand -base64 32")
        if self.client_id and "openid" not in self.scopes:
            raise ValueError("scopes must contain openid, or the issuer answers without an ID token")
        return self
