"""The code flow of OpenID Connect: send a browser to the issuer, and make a session of what it comes back with."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx
from authlib.common.security import generate_token
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7009 import prepare_revoke_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from flytetemporal.auth.identity import Credential
from flytetemporal.auth.oidc import claims as token_claims
from flytetemporal.auth.oidc import jwts
from flytetemporal.auth.oidc.documents import Document, Documents
from flytetemporal.auth.oidc.jwts import Claims, Verifier
from flytetemporal.auth.oidc.provider import Metadata, Provider
from flytetemporal.auth.oidc.sessions import Session
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import PermissionDenied, Unauthenticated, Unavailable

CALLBACK = "/callback"
_FORM = {"content-type": "application/x-www-form-urlencoded;charset=UTF-8"}
# RFC 7636 wants 43 to 128 characters.
_VERIFIER_LENGTH = 64
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Started:
    """A login that has started: where the browser goes, and what it has to come back with."""

    url: str
    state: str
    nonce: str
    code_verifier: str


class CodeFlow:
    """Logins at the issuer of the settings."""

    def __init__(
        self, settings: OidcSettings, provider: Provider, documents: Documents, verifier: Verifier, public_url: str
    ) -> None:
        self._settings = settings
        self._provider = provider
        self._documents = documents
        self._verifier = verifier
        self._redirect_uri = public_url.rstrip("/") + CALLBACK

    async def start(self) -> Started:
        """Start a login. Raises ``Unavailable`` if the issuer is not known and does not answer."""
        metadata = await self._provider.metadata()
        state, nonce, verifier = generate_token(), generate_token(), generate_token(_VERIFIER_LENGTH)
        url = prepare_grant_uri(
            metadata.authorization_endpoint,
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=self._redirect_uri,
            scope=" ".join(self._settings.scopes),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Started(str(url), state, nonce, verifier)

    async def finish(self, code: str, nonce: str, code_verifier: str) -> Session:
        """Return the session of a login.

        Raises:
            PermissionDenied: the issuer refuses the code, or its answer is not for this login.
            Unavailable: the issuer does not answer.
        """
        given = {"code": code, "code_verifier": code_verifier, "redirect_uri": self._redirect_uri}
        answer = await self._tokens("authorization_code", given)
        claims = await self._id_claims(answer)
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise PermissionDenied("the ID token is not for this login; start again at /login")
        return await self._session(answer, claims)

    async def renew(self, session: Session) -> Session | None:
        """Return a new session for an old one; None if the issuer wants the user to log in again.

        Raises:
            Unavailable: the issuer does not answer.
        """
        try:
            answer = await self._tokens("refresh_token", {"refresh_token": session.refresh_token})
            claims = await self._id_claims(answer)
            renewed = await self._session(answer, claims)
        except PermissionDenied:
            return None
        if renewed.identity.subject != session.identity.subject:
            return None
        # Issuers that do not replace a refresh token leave it out.
        return renewed if renewed.refresh_token else replace(renewed, refresh_token=session.refresh_token)

    async def end(self, session: Session) -> None:
        """Have the issuer revoke the refresh token of a session, if it can. Raises ``Unavailable``."""
        metadata = await self._provider.metadata()
        if session.refresh_token and metadata.revocation_endpoint:
            body, headers = prepare_revoke_token_request(session.refresh_token, "refresh_token", "", dict(_FORM))
            await self._posted(metadata, metadata.revocation_endpoint, body, headers)

    async def _tokens(self, grant_type: str, given: Mapping[str, str]) -> Document:
        metadata = await self._provider.metadata()
        body = prepare_token_request(grant_type, **given)
        status, answer = await self._posted(metadata, metadata.token_endpoint, body, dict(_FORM))
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"{metadata.token_endpoint} answers with status {status}")
        if status != httpx.codes.OK:
            problem = str(answer.get("error", f"status {status}"))[:_SHOWN]
            raise PermissionDenied(f"the identity provider refuses the login [{problem}]; start again at /login")
        return answer

    async def _posted(self, metadata: Metadata, url: str, body: str, headers: dict[str, str]) -> tuple[int, Document]:
        secret = self._settings.client_secret.get_secret_value()
        # In the body, where there is one way only to write special characters, if the issuer allows it.
        method = ("client_secret_post" if metadata.has_post else "client_secret_basic") if secret else "none"
        client = ClientAuth(self._settings.client_id, secret, method)
        url, headers, body = client.prepare("POST", url, headers, body)
        return await self._documents.ask("POST", url, headers=headers, body=body)

    async def _id_claims(self, answer: Document) -> Claims:
        text = answer.get("id_token")
        token = jwts.read(text) if isinstance(text, str) else None
        if token is None:
            raise PermissionDenied("the identity provider answers without an ID token")
        client_id = self._settings.client_id
        try:
            claims = await self._verifier.verify(token, (client_id,))
        except Unauthenticated as e:
            raise PermissionDenied(f"the ID token of the identity provider is not accepted: {e.message}") from e
        if claims.get("azp", client_id) != client_id:
            raise PermissionDenied("the ID token of the identity provider is for another client")
        return claims

    async def _session(self, answer: Document, claims: Claims) -> Session:
        about = {**await self._user_info(answer, claims["sub"]), **claims}
        refresh_token = answer.get("refresh_token")
        try:
            identity = token_claims.identity(about, self._settings.groups_claim, Credential.COOKIE, str(answer))
        except Unauthenticated as e:
            raise PermissionDenied(e.message) from e
        return Session(identity, refresh_token if isinstance(refresh_token, str) else "")

    async def _user_info(self, answer: Document, subject: str) -> dict[str, Any]:
        """Return what the issuer tells about the user, who may have groups here only."""
        endpoint = (await self._provider.metadata()).userinfo_endpoint
        token = answer.get("access_token")
        if not endpoint or not isinstance(token, str):
            return {}
        found = await self._documents.get(endpoint, token)
        if found.get("sub") != subject:
            raise PermissionDenied("the identity provider tells about another user than the one who has logged in")
        return found
