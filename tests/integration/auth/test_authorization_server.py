"""What our authorization server refuses, and how its codes, tokens and keys end."""

import asyncio
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.sign_in import expiry
from flytetemporal.admin.sign_in.records import StoredRecords
from flytetemporal.auth.server import keys
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.sign_in import own_server
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.settings import Settings
from tests.fixtures import sign_in
from tests.fixtures.browser import Browser
from tests.fixtures.sign_in import PASSWORD, USER, SignInServer

VERIFIER = "a" * 43
PROJECTS = "/api/v1/projects"
HOUR = timedelta(hours=1)
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def running(tmp_path: Path, sessions: Sessions) -> AsyncIterator[SignInServer]:
    async with sign_in.serving(sign_in.settings(tmp_path, refresh_reuse_grace="PT0S"), sessions) as found:
        yield found


@pytest.fixture
def browser(running: SignInServer) -> Iterator[Browser]:
    """Return a browser that does not follow the way back to the client, where nothing listens."""
    found = Browser(USER, PASSWORD)
    found.http.base_url = httpx.URL(running.url)
    yield found
    found.http.close()


def authorization(running: SignInServer, **changes: str | None) -> dict[str, str]:
    """Return the parameters of a request for a code."""
    usual = {
        "response_type": "code",
        "client_id": "flytectl",
        "redirect_uri": running.redirect_uri,
        "scope": "all offline",
        "state": "a state",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def sign_in_first(browser: Browser) -> None:
    assert "signed in as ada" in browser.open("/login").text
    browser.http.follow_redirects = False


def code(running: SignInServer, browser: Browser) -> str:
    """Return a new code of the signed-in user."""
    answer = browser.http.get("/oauth2/authorize", params=authorization(running))
    assert answer.status_code == 302, answer.text
    found = parse_qs(urlsplit(answer.headers["location"]).query)
    assert found["state"] == ["a state"]
    return found["code"][0]


def exchange(running: SignInServer, browser: Browser, given: str, **changes: str) -> httpx.Response:
    fields = {
        "grant_type": "authorization_code",
        "code": given,
        "client_id": "flytectl",
        "redirect_uri": running.redirect_uri,
        "code_verifier": VERIFIER,
    }
    return browser.http.post("/oauth2/token", data={**fields, **changes})


def refresh(browser: Browser, token: str) -> httpx.Response:
    fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "flytectl"}
    return browser.http.post("/oauth2/token", data=fields)


def served(browser: Browser, token: str) -> httpx.Response:
    return httpx.get(str(browser.http.base_url).rstrip("/") + PROJECTS, headers={"authorization": f"Bearer {token}"})


def revoked_soon(browser: Browser, token: str) -> str:
    """Return why a token is refused, once it is: every admin knows revocations within two seconds."""
    for _ in range(600):
        if (answer := served(browser, token)).status_code == 401:
            return str(answer.json()["message"])
        time.sleep(0.05)
    raise AssertionError("the token is still served")


async def test_a_code_that_comes_twice_revokes_what_it_was_exchanged_for(
    running: SignInServer, browser: Browser
) -> None:
    def steal() -> str:
        sign_in_first(browser)
        given = code(running, browser)
        tokens = exchange(running, browser, given).json()
        assert served(browser, tokens["access_token"]).status_code == 200

        again = exchange(running, browser, given)

        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        assert refresh(browser, tokens["refresh_token"]).json()["error"] == "invalid_grant"
        return revoked_soon(browser, tokens["access_token"])

    assert "revoked" in await asyncio.to_thread(steal)


async def test_refresh_tokens_rotate_and_an_old_one_revokes_the_new_one(
    running: SignInServer, browser: Browser
) -> None:
    def rotate() -> None:
        sign_in_first(browser)
        first = exchange(running, browser, code(running, browser)).json()
        second = refresh(browser, first["refresh_token"]).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert served(browser, second["access_token"]).status_code == 200

        assert refresh(browser, first["refresh_token"]).status_code == 400

        assert refresh(browser, second["refresh_token"]).json()["error"] == "invalid_grant"
        assert "revoked" in revoked_soon(browser, second["access_token"])

    await asyncio.to_thread(rotate)


async def test_two_processes_of_a_user_may_refresh_at_once(tmp_path: Path, sessions: Sessions) -> None:
    async with sign_in.serving(sign_in.settings(tmp_path), sessions) as running:

        def refresh_twice() -> list[int]:
            browser = Browser(USER, PASSWORD)
            browser.http.base_url = httpx.URL(running.url)
            sign_in_first(browser)
            token = exchange(running, browser, code(running, browser)).json()["refresh_token"]
            return [refresh(browser, token).status_code for _ in range(2)]

        assert await asyncio.to_thread(refresh_twice) == [200, 200]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "b" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "http://localhost:1/callback"}, "invalid_grant"),
        ({"client_id": "flyte-cli"}, "invalid_grant"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "made up"}, "invalid_grant"),
    ],
)
async def test_a_code_is_exchanged_only_by_who_asked_for_it(
    running: SignInServer, browser: Browser, changes: dict[str, str], error: str
) -> None:
    def attempt() -> Any:
        sign_in_first(browser)
        return exchange(running, browser, code(running, browser), **changes).json()

    assert (await asyncio.to_thread(attempt))["error"] == error


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://localhost:53593/callback?x=1"},
        {"client_id": "nobody"},
        {"client_id": None},
    ],
)
async def test_no_browser_is_sent_to_an_address_that_the_client_has_not_registered(
    running: SignInServer, changes: dict[str, str | None]
) -> None:
    async with httpx.AsyncClient(base_url=running.url) as http:
        answer = await http.get("/oauth2/authorize", params=authorization(running, **changes))

    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "all everything"}, "invalid_scope"),
    ],
)
async def test_a_client_learns_why_its_request_is_refused(
    running: SignInServer, changes: dict[str, str | None], error: str
) -> None:
    async with httpx.AsyncClient(base_url=running.url) as http:
        answer = await http.get("/oauth2/authorize", params=authorization(running, **changes))

    assert answer.status_code == 302
    assert answer.headers["location"].startswith(running.redirect_uri)
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["error"], query["state"]) == ([error], ["a state"])


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/\n/evil.example",
        "x" * 5000,
    ],
)
async def test_a_sign_in_does_not_lead_to_another_site(running: SignInServer, location: str) -> None:
    async with httpx.AsyncClient(base_url=running.url) as http:
        answer = await http.get("/login", params={"redirect_url": location})

    assert answer.status_code == 403
    assert "path on this server" in answer.text


async def test_a_form_of_another_site_signs_nobody_in(running: SignInServer) -> None:
    fields = {"user": USER, "password": PASSWORD, "redirect_url": "/login", "form_token": "guessed"}
    async with httpx.AsyncClient(base_url=running.url) as http:
        without_cookie = await http.post("/login", data=fields)
        await http.get("/login")
        with_cookie = await http.post("/login", data=fields)

    assert (without_cookie.status_code, with_cookie.status_code) == (403, 403)
    assert "set-cookie" not in with_cookie.headers


async def test_a_wrong_password_is_refused_like_an_unknown_user_and_not_for_ever(running: SignInServer) -> None:
    def guess(user: str) -> list[int]:
        browser = Browser(user, "wrong")
        return [browser.open(f"{running.url}/login").status_code for _ in range(11)]

    known, unknown = await asyncio.gather(asyncio.to_thread(guess, USER), asyncio.to_thread(guess, "nobody"))
    assert known == unknown == [401] * 10 + [429]


async def test_a_session_ends_with_its_sign_out(running: SignInServer, browser: Browser) -> None:
    def leave() -> tuple[int, int, str]:
        sign_in_first(browser)
        before, cookie = browser.http.get(PROJECTS).status_code, browser.http.cookies["flyte_session"]
        browser.http.get("/logout")
        after = httpx.get(f"{running.url}{PROJECTS}", headers={"cookie": f"flyte_session={cookie}"})
        return before, after.status_code, after.json()["message"]

    before, after, message = await asyncio.to_thread(leave)
    assert (before, after) == (200, 401)
    assert "open /login" in message


async def test_a_device_that_was_denied_gets_no_token(running: SignInServer, browser: Browser) -> None:
    def deny() -> tuple[str, str, int]:
        asked = browser.http.post("/oauth2/device_authorization", data={"client_id": "flytectl", "scope": "all"}).json()
        poll = {
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": asked["device_code"],
            "client_id": "flytectl",
        }
        waiting = browser.http.post("/oauth2/token", data=poll).json()["error"]
        page = browser.open(asked["verification_uri_complete"])
        browser.submit(page, {"decision": "deny"})
        again = browser.submit(page, {"decision": "allow"}).status_code
        return waiting, browser.http.post("/oauth2/token", data=poll).json()["error"], again

    assert await asyncio.to_thread(deny) == ("authorization_pending", "access_denied", 404)


async def test_a_public_client_gets_no_token_for_itself(running: SignInServer) -> None:
    async with httpx.AsyncClient(base_url=running.url) as http:
        fields = {"grant_type": "client_credentials", "client_id": "flytectl"}
        answer = await http.post("/oauth2/token", data=fields)

    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


def signed_with(public: bytes, claims: dict[str, Any]) -> str:
    """Return a token whose key is the public one, as bytes: libraries refuse to make it."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, claims)]
    signature = hmac.digest(public, b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


async def forgeries(running: SignInServer) -> dict[str, str]:
    """Return tokens that no server issued like this, by what is wrong with them."""
    signing = (await running.own.tokens.ring.keys()).signing
    now = int(time.time())
    claims = {
        "iss": running.url,
        "aud": [running.url],
        "sub": USER,
        "scp": ["all"],
        "iat": now,
        "exp": now + 600,
        "user_info": {"name": USER},
    }
    header = {"alg": "RS256", "kid": signing.kid}
    good = jwt.encode(header, claims, signing)
    stranger = RSAKey.generate_key(2048)
    unsigned = good.rsplit(".", 2)[0].encode()
    return {
        "good": good,
        "expired": jwt.encode(header, {**claims, "exp": now - 60}, signing),
        "wrong audience": jwt.encode(header, {**claims, "aud": ["https://elsewhere"]}, signing),
        "no audience": jwt.encode(header, {k: v for k, v in claims.items() if k != "aud"}, signing),
        "no expiry": jwt.encode(header, {k: v for k, v in claims.items() if k != "exp"}, signing),
        "wrong issuer": jwt.encode(header, {**claims, "iss": "https://elsewhere"}, signing),
        "wrong key": jwt.encode(header, claims, stranger),
        "unknown key": jwt.encode({**header, "kid": "another"}, claims, stranger),
        "signed with the public key": signed_with(signing.as_pem(private=False), claims),
        "alg none": "eyJhbGciOiJub25lIn0." + good.split(".")[1] + ".",
        "no signature": good.rsplit(".", 1)[0] + ".",
        "without the scope all": jwt.encode(header, {**claims, "scp": ["offline"]}, signing),
        "no token": "x.y.z",
        "half": unsigned.decode(),
    }


async def test_only_tokens_that_the_server_has_signed_for_itself_are_served(running: SignInServer) -> None:
    answers = {}
    async with httpx.AsyncClient(base_url=running.url) as http:
        for name, token in (await forgeries(running)).items():
            answer = await http.get(PROJECTS, headers={"authorization": f"Bearer {token}"})
            answers[name] = answer.status_code
            assert token not in answer.text
    assert answers.pop("good") == 200
    assert set(answers.values()) == {401}, answers


async def test_tokens_of_an_old_key_file_stay_valid_while_it_is_named(tmp_path: Path, sessions: Sessions) -> None:
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    old.write_text(keys.new_key())
    new.write_text(keys.new_key())

    async def ask(files: list[Path], token: str = "") -> tuple[str, int, list[str]]:
        wanted = sign_in.settings(tmp_path, key_files=[str(file) for file in files])
        # The address is the issuer, and has to stay.
        wanted = wanted.model_copy(update={"admin": admin})
        async with sign_in.serving(wanted, sessions) as running, httpx.AsyncClient(base_url=running.url) as http:
            token = token or await sign_in.service_token(running)
            answer = await http.get(PROJECTS, headers={"authorization": f"Bearer {token}"})
            shown = [key["kid"] for key in (await http.get("/oauth2/jwks")).json()["keys"]]
            return token, answer.status_code, shown

    admin: AdminSettings = sign_in.settings(tmp_path).admin
    token, _, before = await ask([old])
    _, during, both = await ask([new, old], token)
    _, after, _ = await ask([new], token)

    assert (during, after) == (200, 401)
    assert len(both) == 2
    assert set(before) < set(both)


async def test_two_admins_that_start_at_once_make_one_key_in_the_database(sessions: Sessions) -> None:
    rings = [keys.KeyRing(keys.StoredKeys(StoredRecords(sessions), HOUR, HOUR)) for _ in range(2)]

    first, second = await asyncio.gather(*(ring.keys() for ring in rings))

    assert first.ids() == second.ids()
    assert len(first.ids()) == 1


async def test_a_key_in_the_database_is_replaced_by_age_and_still_verifies(sessions: Sessions) -> None:
    records = StoredRecords(sessions)
    stored = keys.StoredKeys(records, HOUR, HOUR)
    ring = keys.KeyRing(stored)
    old = await ring.keys()
    async with sessions.begin() as session:
        await session.execute(text("update signing_keys set created_at = now() - interval '2 hours'"))

    other_admin = await keys.KeyRing(stored).keys()

    assert other_admin.signing.kid != old.signing.kid
    assert old.ids() < other_admin.ids()
    # A token of the new key makes an admin look that has not seen the key.
    assert (await ring.knowing(str(other_admin.signing.kid))).ids() >= old.ids()


async def test_what_has_expired_is_removed(
    running: SignInServer, browser: Browser, sessions: Sessions, installation: Any
) -> None:
    await asyncio.to_thread(sign_in_first, browser)
    async with sessions.begin() as session:
        for table in ("sign_in_secrets", "sign_in_grants"):
            await session.execute(text(f"update {table} set expires_at = now() - interval '1 second'"))
    deps: Dependencies = installation.deps

    assert (await expiry.remove_expired(deps)).counts == {"sign_in_expired": 2}
    assert not (await expiry.remove_expired(deps)).counts


async def test_no_code_token_or_password_is_stored_as_it_is(
    running: SignInServer, browser: Browser, sessions: Sessions
) -> None:
    def secrets() -> list[str]:
        sign_in_first(browser)
        given = code(running, browser)
        tokens = exchange(running, browser, given).json()
        return [given, *(tokens[name] for name in ("access_token", "refresh_token")), *browser.http.cookies.values()]

    known = await asyncio.to_thread(secrets)
    async with sessions() as session:
        rows = [
            str(row)
            for table in ("sign_in_secrets", "sign_in_grants")
            for row in await session.execute(text(f"select * from {table}"))
        ]
    assert rows
    assert not [secret for secret in known for row in rows if secret in row]


async def test_clients_are_told_where_and_as_whom_to_sign_in(running: SignInServer) -> None:
    async with httpx.AsyncClient(base_url=running.url) as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
        config = (await http.get("/config/v1/flyte_client", headers={"accept": "application/json"})).json()

    assert metadata["issuer"] == running.url
    assert {metadata[f"{name}_endpoint"] for name in ("authorization", "token", "device_authorization")} == {
        f"{running.url}/oauth2/{path}" for path in ("authorize", "token", "device_authorization")
    }
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert config == {
        "client_id": "flytectl",
        "redirect_uri": running.redirect_uri,
        "scopes": ["all", "offline"],
        "authorization_metadata_key": "flyte-authorization",
        "service_http_endpoint": running.url,
        "audience": "",
    }


def test_a_server_without_tls_is_refused_unless_it_is_on_loopback(tmp_path: Path, sessions: Sessions) -> None:
    wanted = sign_in.settings(tmp_path, issuer="http://flyte.example.com")

    with pytest.raises(CommandError, match="needs TLS"):
        own_server.build(wanted, sessions)
    assert own_server.build(Settings(), sessions) is None
