"""Access tokens: JSON Web Tokens with the claims of Flyte's own server."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwt import JWTClaimsRegistry

from flytetemporal.auth.identity import Credential, Identity, Kind, Restriction
from flytetemporal.auth.server.keys import ALGORITHM, KeyRing, Keys
from flytetemporal.auth.server.records import Grant
from flytetemporal.errors import Unauthenticated

# Clocks of several admins differ by this much at most.
LEEWAY_SECONDS = 10
TASK = "task"
_SIGN_IN_AGAIN = "sign in again"


def access_token(issuer: str, keys: Keys, grant: Grant, now: datetime, lifetime: timedelta) -> str:
    """Return a new access token of a grant."""
    person = grant.person
    claims: dict[str, Any] = {
        "sub": person.subject if person else grant.client_id,
        "client_id": grant.client_id,
        # Flyte's list of scopes without ``offline``, which says something about refresh tokens only.
        "scp": [scope for scope in grant.scope.split() if scope != "offline"],
        "sid": grant.id,
    }
    if person is not None:
        claims["user_info"] = {
            "subject": person.subject,
            "name": person.name,
            "preferred_username": person.name,
            "email": person.email,
        }
        claims["groups"] = sorted(person.groups)
    return _signed(issuer, keys, claims, now, lifetime)


def task_token(issuer: str, keys: Keys, claims: Mapping[str, Any], now: datetime, lifetime: timedelta) -> str:
    """Return a new token of a task attempt."""
    return _signed(issuer, keys, {**claims, "kind": TASK, "scp": ["all"], "client_id": TASK}, now, lifetime)


def _signed(issuer: str, keys: Keys, claims: dict[str, Any], now: datetime, lifetime: timedelta) -> str:
    kid = keys.signing.kid
    stamped = {
        **claims,
        "iss": issuer,
        "aud": [issuer],
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": secrets.token_hex(16),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": kid}, stamped, keys.signing, [ALGORITHM])


def issued_by(token: str, issuer: str) -> bool:
    """Whether a token claims to be of an issuer. Nothing of it is verified: this only decides who verifies it."""
    return _presented_claims(token).get("iss") == issuer


async def verified(token: str, issuer: str, ring: KeyRing) -> dict[str, Any]:
    """Return the claims of a token.

    Raises:
        Unauthenticated: the signature, the issuer, the audience or the time is wrong.
    """
    keys = await ring.knowing(str(_header(token).get("kid", "")))
    registry = JWTClaimsRegistry(
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": issuer},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        claims = jwt.decode(token, keys.verifying, [ALGORITHM]).claims
        registry.validate(claims)
    except (JoseError, ValueError, TypeError) as e:
        raise Unauthenticated(f"the access token is not valid ({_reason(e)}); {_SIGN_IN_AGAIN}") from e
    return dict(claims)


def identity(claims: Mapping[str, Any]) -> Identity:
    """Return whose token it is.

    Raises:
        Unauthenticated: the token lacks the scope ``all``; like Flyte, so that clients start a login.
    """
    scopes = frozenset(map(str, claims.get("scp", ())))
    if "all" not in scopes:
        raise Unauthenticated(f"the access token lacks the scope [all]; {_SIGN_IN_AGAIN} and ask for it")
    info = claims.get("user_info") or {}
    subject, client_id = str(claims["sub"]), str(claims.get("client_id", ""))
    return Identity(
        subject=subject,
        issuer=str(claims["iss"]),
        kind=_kind(claims),
        client_id=client_id,
        groups=frozenset(map(str, claims.get("groups", ()))),
        scopes=scopes,
        credential=Credential.TOKEN,
        credential_id=str(claims.get("jti", "")),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
        email=str(info.get("email", "")),
        name=str(info.get("name", "")),
        restriction=_restriction(claims),
    )


def _kind(claims: Mapping[str, Any]) -> Kind:
    if claims.get("kind") == TASK:
        return Kind.TASK
    return Kind.USER if claims.get("user_info") else Kind.SERVICE


def _restriction(claims: Mapping[str, Any]) -> Restriction | None:
    found = claims.get("restriction")
    if not isinstance(found, dict):
        return None
    return Restriction(role=str(found["role"]), project=str(found["project"]), domain=str(found["domain"]))


def _header(token: str) -> dict[str, Any]:
    """Return the header of a token as it presents it; empty if it is no token."""
    try:
        return dict(jws.extract_compact(token.encode()).headers())
    except (JoseError, ValueError, TypeError, RecursionError):
        return {}


def _presented_claims(token: str) -> dict[str, Any]:
    try:
        found = json.loads(jws.extract_compact(token.encode()).payload or b"")
    except (JoseError, ValueError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _reason(error: Exception) -> str:
    """Return a reason without details of the token."""
    return str(getattr(error, "error", "") or "malformed").replace("_", " ")
