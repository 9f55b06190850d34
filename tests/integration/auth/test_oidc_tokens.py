"""Tokens of an external issuer, which is the stand-in: accepted, or refused with one sentence that says why."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import JWSRegistry

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth.api_keys import ApiKeys
from flytetemporal.auth.authentication import Chain, Presented
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.auth.identity import Credential, Kind
from flytetemporal.auth.oidc.documents import Documents
from flytetemporal.auth.oidc.jwts import Verifier
from flytetemporal.auth.oidc.provider import Provider
from flytetemporal.auth.oidc.tokens import TokenAuthenticator
from flytetemporal.auth.policies import Policies
from flytetemporal.cli.wiring.sign_in import authenticators, oidc
from flytetemporal.config.auth import AuthSettings
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import Unauthenticated, Unavailable
from tests.fixtures.guarded import guarded
from tests.fixtures.http_receiver import http_receiver
from tests.fixtures.identity_provider.stand_in import StandIn, stand_in

JWKS = "/jwks"


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def issuer() -> AsyncIterator[StandIn]:
    async with stand_in() as found:
        yield found


def authenticator(issuer: str, clock: Clock | None = None, **settings: Any) -> TokenAuthenticator:
    found = OidcSettings.model_validate({"issuer": issuer, "audiences": ["flyte"], "timeout": 2, **settings})
    provider = Provider(found, Documents(found), clock or Clock())
    return TokenAuthenticator(found, Verifier(found, provider), "https://flyte.example.com")


def bearer(token: str) -> Presented:
    return Presented(authorization=f"Bearer {token}")


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


async def refusal(asked: TokenAuthenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as raised:
        await asked.authenticate(bearer(token))
    return raised.value.message


async def test_a_token_of_the_issuer_is_accepted(issuer: StandIn) -> None:
    token = issuer.token(groups=["engineers"], email="ada@example.com")

    found = await authenticator(issuer.issuer).authenticate(bearer(token))

    assert found is not None
    assert (found.subject, found.issuer, found.kind) == ("ada", issuer.issuer, Kind.USER)
    assert found.groups == {"engineers"}
    assert found.scopes == {"all"}
    assert found.credential is Credential.TOKEN


async def test_the_public_url_is_the_audience_unless_the_settings_name_others(issuer: StandIn) -> None:
    asked = authenticator(issuer.issuer, audiences=[])

    assert await asked.authenticate(bearer(issuer.token(aud=["x", "https://flyte.example.com"]))) is not None
    assert "https://flyte.example.com" in await refusal(asked, issuer.token())


@pytest.mark.parametrize("authorization", ["", "Basic YTpi", "Bearer key", "Bearer a.b.c", "Bearer a.b.c.d.e"])
async def test_other_credentials_are_left_to_others(issuer: StandIn, authorization: str) -> None:
    assert await authenticator(issuer.issuer).authenticate(Presented(authorization)) is None


async def test_a_token_of_another_issuer_is_left_to_others(issuer: StandIn) -> None:
    assert await authenticator(issuer.issuer).authenticate(bearer(issuer.token(iss="https://other"))) is None


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"exp": 1}, "the token has expired; sign in again"),
        ({"exp": None}, "the token lacks the claim [exp]"),
        ({"exp": "soon"}, "the claim [exp] of the token is not valid"),
        ({"sub": None}, "the token lacks the claim [sub]"),
        ({"sub": 7}, "the claim [sub] of the token is not valid"),
        ({"aud": None}, "the token lacks the claim [aud]"),
        ({"aud": "other"}, "the token is for [other], and this server accepts tokens for [flyte] only"),
        ({"aud": {"flyte": 1}}, "the token is for"),
        ({"nbf": 32_503_680_000}, "the token is not valid yet"),
        ({"iat": 32_503_680_000}, "the token is not valid yet"),
    ],
)
async def test_a_token_with_wrong_claims_is_refused(issuer: StandIn, claims: dict[str, Any], sentence: str) -> None:
    assert sentence in await refusal(authenticator(issuer.issuer), issuer.token(**claims))


async def test_clocks_may_differ_as_far_as_the_settings_allow(issuer: StandIn) -> None:
    now = int(time.time())
    late, early = issuer.token(exp=now - 50), issuer.token(nbf=now + 50, iat=now + 50)

    for token in (late, early):
        assert await authenticator(issuer.issuer).authenticate(bearer(token)) is not None
        assert await refusal(authenticator(issuer.issuer, clock_skew=0), token)


async def test_a_forged_token_is_refused(issuer: StandIn) -> None:
    header, _, signature = issuer.token().split(".")
    claims = {"iss": issuer.issuer, "sub": "root", "aud": "flyte", "exp": int(time.time()) + 60}
    forged = f"{header}.{_encoded(json.dumps(claims).encode())}.{signature}"

    assert "signature" in await refusal(authenticator(issuer.issuer), forged)


async def test_a_token_of_a_foreign_key_is_refused_whatever_id_it_names(issuer: StandIn) -> None:
    claims = {"iss": issuer.issuer, "sub": "root", "aud": "flyte", "exp": int(time.time()) + 60}
    foreign, known = RSAKey.generate_key(2048), issuer.memory.keys[-1].kid
    asked = authenticator(issuer.issuer)

    assert "signature" in await refusal(asked, jwt.encode({"alg": "RS256", "kid": known}, claims, foreign))
    assert "does not have" in await refusal(asked, jwt.encode({"alg": "RS256", "kid": "eve"}, claims, foreign))


@pytest.mark.filterwarnings("ignore:JWS algorithm")
async def test_a_token_that_is_not_signed_is_refused(issuer: StandIn) -> None:
    claims = {"iss": issuer.issuer, "sub": "root", "aud": "flyte", "exp": int(time.time()) + 60}
    registry = JWSRegistry(algorithms=["none"])
    token = jwt.encode({"alg": "none"}, claims, OctKey.generate_key(256), registry=registry)

    assert "is not signed" in await refusal(authenticator(issuer.issuer), token)


async def test_the_public_key_is_no_secret_that_signs(issuer: StandIn) -> None:
    """The oldest attack on JWTs: the public key, taken for the key of an HMAC."""
    claims = {"iss": issuer.issuer, "sub": "root", "aud": "flyte", "exp": int(time.time()) + 60}
    key = issuer.memory.keys[-1]
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": key.kid}, claims))
    signature = hmac.digest(key.as_pem(private=False), signed.encode(), "sha256")

    assert "algorithm [HS256]" in await refusal(authenticator(issuer.issuer), f"{signed}.{_encoded(signature)}")


async def test_a_token_that_is_too_large_is_refused_before_it_is_read(issuer: StandIn) -> None:
    text = await refusal(authenticator(issuer.issuer), issuer.token(groups=["x" * 20_000]))

    assert "at most 16384 are read" in text
    assert not issuer.requests


async def test_keys_are_fetched_once_for_many_calls(issuer: StandIn) -> None:
    asked, token = authenticator(issuer.issuer), issuer.token()

    await asyncio.gather(*(asked.authenticate(bearer(token)) for _ in range(20)))

    assert issuer.requests[JWKS] == 1


async def test_a_new_key_is_found_and_old_tokens_stay_valid(issuer: StandIn) -> None:
    clock = Clock()
    asked, old = authenticator(issuer.issuer, clock), issuer.token()
    await asked.authenticate(bearer(old))
    issuer.rotate()
    clock.now += 10

    assert await asked.authenticate(bearer(issuer.token())) is not None
    assert await asked.authenticate(bearer(old)) is not None
    assert issuer.requests[JWKS] == 2


async def test_keys_that_are_not_known_cause_few_fetches(issuer: StandIn) -> None:
    clock = Clock()
    asked = authenticator(issuer.issuer, clock)
    await asked.authenticate(bearer(issuer.token()))
    foreign = RSAKey.generate_key(2048)
    for number in range(50):
        clock.now += 1
        claims = {"iss": issuer.issuer, "sub": "eve", "exp": 1}
        await refusal(asked, jwt.encode({"alg": "RS256", "kid": f"k{number}"}, claims, foreign))

    assert issuer.requests[JWKS] == 1 + 5


async def test_a_withdrawn_key_counts_no_longer_once_keys_are_fetched_again(issuer: StandIn) -> None:
    clock = Clock()
    asked, old = authenticator(issuer.issuer, clock), issuer.token()
    await asked.authenticate(bearer(old))
    issuer.rotate()
    del issuer.memory.keys[0]
    clock.now += timedelta(minutes=11).total_seconds()
    await asked.authenticate(bearer(old))  # Starts the fetch, and does not wait for it.
    await asked.authenticate(bearer(issuer.token()))

    assert "does not have" in await refusal(asked, old)


async def test_known_keys_count_while_the_issuer_is_down(issuer: StandIn) -> None:
    clock = Clock()
    asked, token = authenticator(issuer.issuer, clock), issuer.token()
    await asked.authenticate(bearer(token))
    await issuer.stop()
    for _ in range(3):
        clock.now += timedelta(hours=1).total_seconds()
        assert await asked.authenticate(bearer(token)) is not None
        await asyncio.sleep(0)

    issuer.rotate()
    with pytest.raises(Unavailable, match="nobody new can sign in"):
        await asked.authenticate(bearer(issuer.token()))


async def test_tokens_are_accepted_once_the_issuer_is_back(issuer: StandIn) -> None:
    clock = Clock()
    asked, token = authenticator(issuer.issuer, clock), issuer.token()
    await issuer.stop()
    for _ in range(2):
        with pytest.raises(Unavailable, match="try again later"):
            await asked.authenticate(bearer(token))
    await issuer.start()
    clock.now += 10

    assert await asked.authenticate(bearer(token)) is not None


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ({"issuer": "https://other"}, "that of another issuer"),
        ({"jwks_uri": ""}, "has no jwks_uri"),
        ({"jwks_uri": 7}, "has no jwks_uri"),
        ({"jwks_uri": "http://example.com/jwks"}, "its jwks_uri is not https"),
        ({"padding": "x" * 300_000}, "more than 262144 bytes"),
    ],
)
async def test_a_description_that_cannot_be_right_is_not_used(
    issuer: StandIn, description: dict[str, Any], problem: str
) -> None:
    issuer.description = description

    with pytest.raises(Unavailable, match=problem):
        await authenticator(issuer.issuer).authenticate(bearer(issuer.token()))


async def test_an_issuer_that_answers_slowly_or_with_something_else_holds_nobody_up(issuer: StandIn) -> None:
    claims = {"sub": "ada", "aud": "flyte", "exp": int(time.time()) + 60}
    with http_receiver() as other:  # Answers only to POST: 501 with a page.
        token = issuer.memory.sign({**claims, "iss": other.url})
        with pytest.raises(Unavailable, match="does not answer with JSON"):
            await authenticator(other.url).authenticate(bearer(token))

    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    async with silent:
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        with pytest.raises(Unavailable, match=r"does not answer within 0\.2 s"):
            await authenticator(url, timeout=0.2).authenticate(bearer(issuer.memory.sign({**claims, "iss": url})))


async def test_many_callers_lose_nothing_while_keys_change(issuer: StandIn) -> None:
    """Providers publish a key before they sign with it; then no call fails."""
    clock = Clock()
    asked = authenticator(issuer.issuer, clock, keys_min_interval=0.001)
    refused = 0

    async def caller() -> None:
        nonlocal refused
        for _ in range(20):
            clock.now += 1
            try:
                await asked.authenticate(bearer(issuer.token()))
            except Unauthenticated:
                refused += 1
            await asyncio.sleep(0)

    async def operator() -> None:
        for _ in range(3):
            issuer.rotate()
            await asyncio.sleep(0.01)

    await asyncio.gather(operator(), *(caller() for _ in range(10)))

    assert refused == 0


@pytest.mark.parametrize("key", ["authorization", "flyte-authorization"])
async def test_a_server_of_these_settings_serves_who_has_a_token(issuer: StandIn, key: str) -> None:
    settings = AuthSettings(oidc=OidcSettings(issuer=issuer.issuer, audiences=("flyte",)))
    openid = oidc.build(settings.oidc, "https://flyte.example.com")
    known = authenticators.authenticators(settings, ApiKeys(), openid=openid)
    guard = SignInGuard(Chain(known), Policies(()), LoggedAudit())
    async with guarded(guard) as found:
        assert await found.over_grpc((key, f"Bearer {issuer.token()}")) == "ada"
        assert (await found.over_http({key: f"Bearer {issuer.token()}"})).json()["token"] == "ada"
        refused = await found.over_http({key: f"Bearer {issuer.token(exp=1)}"})

    assert (refused.status_code, refused.json()["message"]) == (401, "the token has expired; sign in again")
