"""Tokens of an external issuer as credentials."""

from flytetemporal.auth.authentication import Presented
from flytetemporal.auth.identity import Credential, Identity
from flytetemporal.auth.oidc import claims as token_claims
from flytetemporal.auth.oidc import jwts
from flytetemporal.auth.oidc.jwts import Verifier
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import Unauthenticated


class TokenAuthenticator:
    """Knows bearer tokens that name the issuer of the settings."""

    def __init__(self, settings: OidcSettings, verifier: Verifier, public_url: str) -> None:
        self._settings = settings
        self._verifier = verifier
        self._audiences = settings.audiences or (public_url,)

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return whose token was presented; None if it is no token, or that of another issuer.

        Raises:
            Unauthenticated: the token is not valid.
            Unavailable: its key is not known, and the issuer does not answer.
        """
        scheme, _, text = presented.authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        text = text.strip()
        if len(text) > jwts.MAX_BYTES:
            raise Unauthenticated(f"the token has {len(text)} bytes, and at most {jwts.MAX_BYTES} are read")
        token = jwts.read(text)
        if token is None or token.claims.get("iss") != self._settings.issuer:
            return None
        claims = await self._verifier.verify(token, self._audiences)
        return token_claims.identity(claims, self._settings.groups_claim, Credential.TOKEN, text)
