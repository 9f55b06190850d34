"""From the claims of a verified token to an identity."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.auth.oidc.jwts import Claims
from flytetemporal.errors import Unauthenticated

# OpenID Connect allows 255 characters.
MAX_LENGTH = 255
MAX_GROUPS = 1000
# Flyte reads the first one only; the others are those of Keycloak and Google, Okta, and older tokens of Entra.
_CLIENT = ("client_id", "azp", "cid", "appid")
_PROFILE = ("preferred_username", "given_name", "family_name", "picture")
_LAST_SECOND = datetime(9999, 12, 31, tzinfo=UTC).timestamp()


def identity(claims: Claims, groups_claim: str, credential: Credential, token: str = "") -> Identity:
    """Return who a verified token is about; ``token`` identifies it if it has no id of its own.

    Raises:
        Unauthenticated: its subject cannot be the name of anybody.
    """
    subject = _text(claims.get("sub"))
    if not subject:
        raise Unauthenticated("the subject of the token is empty, too long, or has characters that cannot be printed")
    client = next(filter(None, (_text(claims.get(name)) for name in _CLIENT)), "")
    return Identity(
        subject=subject,
        issuer=claims["iss"],
        kind=Kind.SERVICE if _is_program(claims, client) else Kind.USER,
        client_id=client,
        groups=frozenset(_texts(_found(claims, groups_claim))),
        scopes=frozenset((*_words(claims.get("scope")), *_words(claims.get("scp")))),
        credential=credential,
        credential_id=_text(claims.get("jti")) or hashlib.sha256(token.encode()).hexdigest()[:32],
        expires_at=expiry(claims),
        # Roles can be bound to it, so nobody may have chosen it freely.
        email=_text(claims.get("email")) if claims.get("email_verified") in (True, "true") else "",
        name=_text(claims.get("name")),
        profile={name: text for name in _PROFILE if (text := _text(claims.get(name)))},
    )


def expiry(claims: Claims) -> datetime:
    """Return when verified claims expire."""
    return datetime.fromtimestamp(min(claims["exp"], _LAST_SECOND), UTC)


def _is_program(claims: Claims, client: str) -> bool:
    """Whether a client has signed in on its own behalf. There is no claim for that which all issuers have."""
    if not client:
        return False
    return (
        claims["sub"] in (client, f"{client}@clients")  # RFC 9068, Okta; Auth0
        or claims.get("idtyp") == "app"  # Entra
        # Keycloak. A user could have this name, but has no claim ``client_id`` then.
        or ("client_id" in claims and claims.get("preferred_username") == f"service-account-{client}".lower())
    )


def _found(claims: Claims, name: str) -> object:
    """Return a claim by its name, which may contain dots itself, or by a path into objects."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _words(value: object) -> Iterator[str]:
    """Yield scopes: of a list, or of words with blanks between them. Flyte takes such words for one scope."""
    return _texts(value.split() if isinstance(value, str) else value)


def _texts(value: object) -> Iterator[str]:
    values = [value] if isinstance(value, str) else value
    for entry in values[:MAX_GROUPS] if isinstance(values, list) else ():
        if text := _text(entry):
            yield text


def _text(value: object) -> str:
    """Return a value if it is text that can be stored and shown, else an empty text."""
    fits = isinstance(value, str) and len(value) <= MAX_LENGTH and value.isprintable()
    return str(value) if fits else ""
