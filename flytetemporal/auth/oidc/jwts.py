"""Verify JSON Web Tokens: their signature, issuer, audience and times. Every refusal is one sentence."""

import base64
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError, MissingClaimError
from joserfc.jwk import Key
from joserfc.jwt import JWTClaimsRegistry

from flytetemporal.auth.oidc.provider import Provider
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import Unauthenticated

Claims: TypeAlias = dict[str, Any]

# Tokens of Entra with 200 groups have 9 KiB.
MAX_BYTES = 16 * 1024
# As much as is shown of what a token says.
_SHOWN = 200
_FORGED = "the signature of the token is not valid, so it was forged or damaged; sign in again"


class _Registry(jws.JWSRegistry):
    """Allows headers of some issuers, which contain whole certificates."""

    max_header_length = MAX_BYTES


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token of which nothing is certain yet."""

    text: str
    header: Claims
    claims: Claims


def read(text: str) -> Unverified | None:
    """Return a token that has not been verified; None if the text does not have the form of one."""
    parts = text.split(".")
    if len(parts) != 3:
        return None
    header, claims = _part(parts[0]), _part(parts[1])
    return None if header is None or claims is None else Unverified(text, header, claims)


class Verifier:
    """Verifies tokens of an issuer."""

    def __init__(self, settings: OidcSettings, provider: Provider) -> None:
        self._provider = provider
        self._algorithms = settings.algorithms
        self._registry = _Registry(algorithms=settings.algorithms, strict_check_header=False)
        self._leeway = int(settings.clock_skew.total_seconds())

    async def verify(self, token: Unverified, audiences: Collection[str]) -> Claims:
        """Return the claims of a token for one of ``audiences``.

        Raises:
            Unauthenticated: the token is not valid.
            Unavailable: its key is not known, and the issuer does not answer.
        """
        self._check_algorithm(token.header.get("alg"))
        key = await self._key(token.header.get("kid", ""))
        _check_signature(token.text, key, self._registry)
        self._check_claims(token.claims, audiences)
        return token.claims

    def _check_algorithm(self, algorithm: object) -> None:
        if algorithm not in self._algorithms:
            accepted = ", ".join(self._algorithms)
            given = "is not signed" if algorithm == "none" else f"is signed by algorithm [{_shown(algorithm)}]"
            raise Unauthenticated(f"the token {given}, and only {accepted} are accepted here")

    async def _key(self, key_id: object) -> Key:
        key = await self._provider.key(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise Unauthenticated(
                f"the token is signed by key [{_shown(key_id)}], which {self._provider.issuer} does not have; "
                "sign in again"
            )
        return key

    def _check_claims(self, claims: Claims, audiences: Collection[str]) -> None:
        registry = JWTClaimsRegistry(
            leeway=self._leeway,
            iss={"essential": True, "value": self._provider.issuer},
            aud={"essential": True, "values": list(audiences)},
            sub={"essential": True},
            exp={"essential": True},
        )
        try:
            registry.validate(claims)
        except ExpiredTokenError as e:
            raise Unauthenticated("the token has expired; sign in again") from e
        except MissingClaimError as e:
            raise Unauthenticated(f"the token lacks the claim [{e.claim}]") from e
        except ClaimError as e:
            raise Unauthenticated(_claim_problem(e.claim, claims, audiences)) from e


def _claim_problem(name: str, claims: Claims, audiences: Collection[str]) -> str:
    if name == "aud":
        expected = " or ".join(audiences)
        return f"the token is for [{_shown(claims.get('aud'))}], and this server accepts tokens for [{expected}] only"
    if name in ("nbf", "iat"):
        return "the token is not valid yet: the clock of its issuer is ahead of the clock of this server"
    return f"the claim [{name}] of the token is not valid"


def _check_signature(text: str, key: Key, registry: jws.JWSRegistry) -> None:
    # What is not foreseen in a key or a token must not let it pass, nor be an error of the server.
    try:
        jws.deserialize_compact(text, key, registry=registry)
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
        raise Unauthenticated(_FORGED) from e


def _part(text: str) -> Claims | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _shown(value: object) -> str:
    """Return a value of a token for a text: short, and without what could not be sent."""
    return str(value)[:_SHOWN].encode("ascii", "backslashreplace").decode()
