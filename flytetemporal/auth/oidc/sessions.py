"""Sessions of browsers: what the claims of a login say, sealed in cookies. The server stores nothing.

A session can be larger than a cookie, so it is split. Flyte's server does the same with its tokens.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from flytetemporal.auth.authentication import Presented
from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.auth.oidc.sealing import Sealer, is_over
from flytetemporal.errors import Unauthenticated

NAME = "flyte_sso"
_PURPOSE = "session"
# Browsers keep cookies of 4,096 bytes, with name and attributes.
PART_BYTES = 3800
# Headers of a request have limits, too: uvicorn reads 64 KiB of them, many proxies only 16.
MAX_PARTS = 3
_AGAIN = "sign in again at /login"


@dataclass(frozen=True, slots=True)
class Session:
    """Who has logged in. ``refresh_token`` is empty if the issuer returned none."""

    identity: Identity
    refresh_token: str = ""


class Sessions:
    """Writes sessions to cookies and reads them; browsers send these to ``public_url`` only."""

    def __init__(self, sealer: Sealer, public_url: str, seconds: float) -> None:
        self._sealer = sealer
        self._seconds = seconds
        self._is_encrypted = public_url.startswith("https:")
        # Browsers accept a cookie of this prefix from this very host over TLS only, and not from one next to it.
        self.prefix = "__Host-" if self._is_encrypted else ""

    def read(self, cookies: Mapping[str, str]) -> tuple[Session, bool] | None:
        """Return the session in cookies, and whether it is over; None if there is none, or it does not open."""
        sealed = self._joined(cookies)
        opened = self._sealer.open(_PURPOSE, sealed) if sealed else None
        if opened is None:
            return None
        value, expires_at = opened
        return _session(value, expires_at), is_over(expires_at)

    def has_any(self, cookies: Mapping[str, str]) -> bool:
        """Whether there are cookies of a session, valid or not."""
        return bool(self._joined(cookies))

    def write(self, response: Response, session: Session, cookies: Mapping[str, str]) -> None:
        """Start a session; ``cookies`` are those that the browser has now.

        Raises:
            Unauthenticated: the session is too large, even without a refresh token and without groups.
        """
        expires_at = time.time() + self._seconds
        parts = self._fitting(session, expires_at)
        # With a refresh token the cookies outlive the session, so that /login can renew it.
        kept = None if session.refresh_token else self._seconds
        for number, text in enumerate(parts, 1):
            self.set(response, f"{NAME}_{number}", text, kept)
        self.clear(response, cookies, after=len(parts))  # Parts of the session before.

    def clear(self, response: Response, cookies: Mapping[str, str], after: int = 0) -> None:
        """Delete the cookies of a session, but for the first ``after`` ones."""
        for part in range(after + 1, MAX_PARTS + 1):
            if self.prefix + f"{NAME}_{part}" in cookies:
                self.delete(response, f"{NAME}_{part}")

    def set(self, response: Response, name: str, value: str, seconds: float | None) -> None:
        """Set a cookie that pages cannot read and that other sites cannot make the browser send with changes."""
        age = None if seconds is None else int(seconds)
        response.set_cookie(
            self.prefix + name, value, max_age=age, path="/", secure=self._is_encrypted, httponly=True, samesite="lax"
        )

    def delete(self, response: Response, name: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(self.prefix + name, "/", secure=self._is_encrypted, httponly=True, samesite="lax")

    def _fitting(self, session: Session, expires_at: float) -> list[str]:
        for fitting in (session, replace(session, refresh_token="")):
            sealed = self._sealer.seal(_PURPOSE, _value(fitting), expires_at)
            if len(sealed) <= MAX_PARTS * PART_BYTES:
                return [sealed[start : start + PART_BYTES] for start in range(0, len(sealed), PART_BYTES)]
        raise Unauthenticated(
            f"the session of [{session.identity.subject}] has more than {MAX_PARTS * PART_BYTES} bytes; let the "
            "identity provider name fewer groups"
        )

    def _joined(self, cookies: Mapping[str, str]) -> str:
        parts = (cookies.get(self.prefix + f"{NAME}_{part}", "") for part in range(1, MAX_PARTS + 1))
        return "".join(parts)


class SessionAuthenticator:
    """Knows the cookies of sessions."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def authenticate(self, presented: Presented) -> Identity | None:
        """Return whose session it is; None without one, or if the request has a token.

        Raises:
            Unauthenticated: the session is over, or does not open.
        """
        if presented.authorization or not self._sessions.has_any(presented.cookies):
            return None
        found = self._sessions.read(presented.cookies)
        if found is None:
            raise Unauthenticated(f"the session is that of another server, or its cookies are damaged; {_AGAIN}")
        session, is_past = found
        if is_past:
            raise Unauthenticated(f"the session has expired; {_AGAIN}")
        return session.identity


def _value(session: Session) -> dict[str, Any]:
    who = session.identity
    return {
        "sub": who.subject,
        "iss": who.issuer,
        "kind": who.kind.value,
        "client": who.client_id,
        "groups": sorted(who.groups),
        "scopes": sorted(who.scopes),
        "id": who.credential_id,
        "email": who.email,
        "name": who.name,
        "profile": dict(who.profile),
        "refresh": session.refresh_token,
    }


def _session(value: Mapping[str, Any], expires_at: float) -> Session:
    identity = Identity(
        subject=value["sub"],
        issuer=value["iss"],
        kind=Kind(value["kind"]),
        client_id=value["client"],
        groups=frozenset(value["groups"]),
        scopes=frozenset(value["scopes"]),
        credential=Credential.COOKIE,
        credential_id=value["id"],
        expires_at=datetime.fromtimestamp(expires_at, UTC),
        email=value["email"],
        name=value["name"],
        profile=value["profile"],
    )
    return Session(identity, value["refresh"])
