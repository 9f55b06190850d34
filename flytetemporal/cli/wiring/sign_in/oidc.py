"""Sign-in by OpenID Connect, built from settings."""

from dataclasses import dataclass

from starlette.routing import Route

from flytetemporal.auth.authentication import Authenticator
from flytetemporal.auth.oidc.documents import Documents
from flytetemporal.auth.oidc.flow import CodeFlow
from flytetemporal.auth.oidc.jwts import Verifier
from flytetemporal.auth.oidc.provider import Provider
from flytetemporal.auth.oidc.redirects import Redirects
from flytetemporal.auth.oidc.routes import Logins
from flytetemporal.auth.oidc.sealing import Sealer
from flytetemporal.auth.oidc.sessions import SessionAuthenticator, Sessions
from flytetemporal.auth.oidc.tokens import TokenAuthenticator
from flytetemporal.cli.errors import CommandError
from flytetemporal.config.oidc import OidcSettings, is_protected


@dataclass(frozen=True, slots=True)
class OpenIdSignIn:
    """The parts of a server process with an external issuer. Without logins in the browser the last two are None."""

    tokens: TokenAuthenticator
    browsers: SessionAuthenticator | None = None
    logins: Logins | None = None

    def authenticators(self) -> list[Authenticator]:
        """Return those of tokens and of sessions."""
        return [self.tokens, self.browsers] if self.browsers else [self.tokens]

    def routes(self) -> list[Route]:
        """Return the routes of logins."""
        return self.logins.routes() if self.logins else []


def build(settings: OidcSettings, public_url: str) -> OpenIdSignIn | None:
    """Return what the settings ask for, if they name an issuer; ``public_url`` is that of this server.

    Raises:
        CommandError: sessions would be sent over a network in plain text.
    """
    if not settings.issuer:
        return None
    documents = Documents(settings)
    provider = Provider(settings, documents)
    verifier = Verifier(settings, provider)
    tokens = TokenAuthenticator(settings, verifier, public_url)
    if not settings.client_id:
        return OpenIdSignIn(tokens)
    if not is_protected(public_url):
        raise CommandError(
            f"logins at {public_url} would send cookies in plain text: set FLYTETEMPORAL_ADMIN__PUBLIC_URL to an "
            "address with https, or unset FLYTETEMPORAL_AUTH__OIDC__CLIENT_ID"
        )
    sealer = Sealer(settings.cookie_keys, public_url)
    sessions = Sessions(sealer, public_url, settings.session_duration.total_seconds())
    flow = CodeFlow(settings, provider, documents, verifier, public_url)
    logins = Logins(flow, provider, sessions, sealer, Redirects(settings, public_url))
    return OpenIdSignIn(tokens, SessionAuthenticator(sessions), logins)
