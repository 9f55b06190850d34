"""Hostile tokens and cookies: whatever is presented is refused as UNAUTHENTICATED, and is no error of the server."""

import asyncio
import base64
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwe, jws
from joserfc.jwk import OctKey
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.responses import Response

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth.authentication import Chain, Presented
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.auth.identity import Identity
from flytetemporal.auth.oidc.sealing import Sealer
from flytetemporal.auth.oidc.sessions import Session, Sessions
from flytetemporal.auth.policies import Policies
from flytetemporal.cli.wiring.sign_in import oidc
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc import gateway
from tests.fixtures.identity_provider.stand_in import StandIn, stand_in

URL = "http://127.0.0.1:8088"
KEY = base64.b64encode(secrets.token_bytes(32)).decode()
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "iss sub aud exp nbf iat jti groups scope scp client_id azp email email_verified name picture nonce validate crit "
    "preferred_username realm_access"
)
names = st.sampled_from(NAMES.split())
headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "zip", "enc", "cty"]),
    values | st.sampled_from(["RS256", "HS256", "none", "ES256", "dir", "A256GCM", ["b64"]]),
    max_size=4,
)


@dataclass(frozen=True)
class Server:
    """A server that knows the keys of an issuer which is down."""

    issuer: StandIn
    chain: Chain
    app: Starlette
    valid: str
    session: str

    def authenticate(self, presented: Presented) -> Identity | None:
        """Return whose credential it is; None if it is refused. Raises whatever is not a refusal."""
        try:
            return asyncio.run(self.chain.authenticate(presented))
        except Unauthenticated as refused:
            if "\n" in refused.message:
                raise AssertionError(f"not one sentence: {refused.message}") from refused
            return None

    def get(self, path: str, cookies: str) -> int:
        """Return the status of a request; the errors of the server are raised here."""
        return asyncio.run(self._get(path, cookies))

    async def _get(self, path: str, cookies: str) -> int:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            sent = [(b"cookie", cookies.encode("latin-1", "replace"))]
            return (await client.get(path, headers=sent)).status_code


@pytest.fixture(scope="module")
def server() -> Server:
    return asyncio.run(_started())


async def _started() -> Server:
    async with stand_in() as issuer:
        wanted = {"issuer": issuer.issuer, "audiences": ["flyte"], "client_id": "flyte", "cookie_keys": [KEY]}
        found = OidcSettings.model_validate({**wanted, "keys_max_age": "P1D", "keys_min_interval": "P1D"})
        openid = oidc.build(found, URL)
        assert openid is not None
        chain = Chain(openid.authenticators())
        app = gateway.http_app([], AdminSettings(), openid.routes(), SignInGuard(chain, Policies(()), LoggedAudit()))
        valid = issuer.token(exp=int(time.time()) + 3600)
        identity = await chain.authenticate(Presented(f"Bearer {valid}"))
    response = Response()
    Sessions(Sealer(found.cookie_keys, URL), URL, 3600).write(response, Session(identity), {})
    session = response.headers["set-cookie"].partition("=")[2].partition(";")[0]
    return Server(issuer, chain, app, valid, session)


@given(authorization=st.text(max_size=300) | st.text(max_size=300).map("Bearer ".__add__))
@MANY
def test_any_text_is_refused(server: Server, authorization: str) -> None:
    assert server.authenticate(Presented(authorization)) is None


@given(data=st.data())
@MANY
def test_a_valid_token_that_was_changed_is_refused(server: Server, data: st.DataObject) -> None:
    changed = data.draw(_changed(server.valid.rpartition(".")[0])) + "." + server.valid.rpartition(".")[2]

    assert server.authenticate(Presented(f"Bearer {changed}")) is None


@given(header=headers, claims=st.dictionaries(names, values, max_size=6))
@MANY
def test_a_token_with_any_header_is_refused(server: Server, header: dict[str, Any], claims: dict[str, Any]) -> None:
    known = {"alg": "RS256", "kid": server.issuer.memory.keys[0].kid}
    usual = {"iss": server.issuer.issuer, "sub": "ada", "aud": "flyte", "exp": time.time() + 60}
    text = f"{_part({**known, **header})}.{_part({**usual, **claims, 'iss': usual['iss']})}.{_encoded(b'x' * 256)}"

    assert server.authenticate(Presented(f"Bearer {text}")) is None


@given(claims=st.dictionaries(names, values, max_size=8))
@MANY
def test_what_an_issuer_signs_is_accepted_or_refused(server: Server, claims: dict[str, Any]) -> None:
    """Also an issuer makes mistakes, or lets users choose what is in their tokens."""
    usual = {"iss": server.issuer.issuer, "sub": "ada", "aud": "flyte", "exp": int(time.time()) + 60}
    key = server.issuer.memory.keys[0]
    content = json.dumps({**usual, **claims, "iss": usual["iss"]})

    found = server.authenticate(
        Presented(f"Bearer {jws.serialize_compact({'alg': 'RS256', 'kid': key.kid}, content, key)}")
    )

    texts = [found.subject, found.email, found.name, found.client_id, *found.groups, *found.scopes] if found else []
    assert all(text.isprintable() and len(text) <= 255 for text in texts)


@pytest.mark.parametrize("shape", ["[", '{"a":', '{"a":[', "9", "-", '"'])
def test_deep_and_long_json_is_refused(server: Server, shape: str) -> None:
    header, claims, _ = server.valid.split(".")
    part = _encoded((shape * 5000).encode())
    for text in (f"{part}.{part}.x", f"{header}.{part}.x", f"{part}.{claims}.x"):
        assert server.authenticate(Presented(f"Bearer {text}")) is None


@given(data=st.data())
@MANY
def test_a_session_that_was_changed_is_refused(server: Server, data: st.DataObject) -> None:
    """Unless it means the same: the last character of base64 can have bits that do not count."""
    changed = data.draw(_changed(server.session))

    found = server.authenticate(Presented(cookies={"flyte_sso_1": changed}, transport="http"))

    assert found is None or found.subject == "ada"


@given(
    cookies=st.dictionaries(
        st.sampled_from(["flyte_sso_1", "flyte_sso_2", "flyte_sso_3", "flyte_sso_state", "flyte_idt", "other"]),
        st.text(st.characters(codec="latin-1", exclude_characters=";\r\n\x00"), max_size=200),
        max_size=4,
    )
)
@MANY
def test_any_cookies_are_refused_everywhere(server: Server, cookies: dict[str, str]) -> None:
    assert server.authenticate(Presented(cookies=cookies, transport="http")) is None
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    assert server.get("/callback?code=a&state=b", sent) == 401
    assert server.get("/logout?redirect_url=/", sent) == 303
    assert server.get("/login?redirect_url=//x", sent) == 403
    assert server.get("/login", sent) == 303


@given(query=st.dictionaries(st.sampled_from(["code", "state", "error", "iss", "redirect_url"]), st.text(max_size=50)))
@MANY
def test_any_answer_of_an_issuer_that_was_not_asked_is_refused(server: Server, query: dict[str, str]) -> None:
    text = httpx.QueryParams({name: value.encode("utf-8", "replace").decode() for name, value in query.items()})

    assert server.get(f"/callback?{text}", "") == 401


def test_what_was_sealed_for_one_purpose_does_not_open_for_another(server: Server) -> None:
    sealed = Sealer([SecretStr(KEY)], URL).seal("login", {"state": "a"}, time.time() + 60)

    assert server.authenticate(Presented(cookies={"flyte_sso_1": sealed}, transport="http")) is None
    assert server.get("/callback?code=a&state=a", f"flyte_sso_state={_forged_state()}") == 401


def _forged_state() -> str:
    """Return a cookie as an attacker with another key would seal it."""
    other = OctKey.generate_key(256)

    content = {"for": "login", "at": URL, "exp": time.time() + 60, "value": {"state": "a", "target": "https://x"}}
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, json.dumps(content), other)


@st.composite
def _changed(draw: st.DrawFn, text: str) -> str:
    """Return a text with a few characters replaced, removed or repeated, so that it means something else."""
    start = draw(st.integers(0, len(text) - 2))
    length = draw(st.integers(1, 8))
    other = draw(st.text("abcXYZ019-_.=%", max_size=8))
    found = text[:start] + other + text[start + length :]
    return found if found != text else text + "x"


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
