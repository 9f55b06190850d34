"""Sign-in by OpenID Connect, built from settings."""

from flytetemporal.auth.authentication import Authenticator
from flytetemporal.auth.oidc.documents import Documents
from flytetemporal.auth.oidc.jwts import Verifier
from flytetemporal.auth.oidc.provider import Provider
from flytetemporal.auth.oidc.tokens import TokenAuthenticator
from flytetemporal.config.oidc import OidcSettings


def authenticators(settings: OidcSettings, public_url: str) -> list[Authenticator]:
    """Return the authenticator of the tokens of the configured issuer; without one, none."""
    if not settings.issuer:
        return []
    provider = Provider(settings, Documents(settings))
    return [TokenAuthenticator(settings, Verifier(settings, provider), public_url)]
