"""Logins in the browser, over real ports and with the stand-in: what works, and what everybody tries."""

import base64
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.routing import Route

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth.authentication import Chain
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.auth.oidc.redirects import Redirects
from flytetemporal.auth.oidc.sealing import Sealer
from flytetemporal.auth.policies import Policies
from flytetemporal.cli.dev import ports
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.sign_in import oidc
from flytetemporal.cli.wiring.sign_in.oidc import OpenIdSignIn
from flytetemporal.config.oidc import OidcSettings
from flytetemporal.errors import PermissionDenied
from flytetemporal.rpc.callers import OPEN, Guard
from tests.fixtures.guarded import Guarded, guarded
from tests.fixtures.identity_provider.grants import Client
from tests.fixtures.identity_provider.stand_in import StandIn, stand_in
from tests.fixtures.login_browser import Browser, query

CLIENT = "flyteadmin"
SESSION, STATE = "flyte_sso_1", "flyte_sso_state"


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


KEY = key()


@pytest.fixture
async def issuer() -> AsyncIterator[StandIn]:
    async with stand_in() as found:
        yield found


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as found:
        yield found


def guard(settings: OidcSettings, url: str) -> Guard:
    return SignInGuard(Chain(built(settings, url).authenticators()), Policies(()), LoggedAudit())


def routes(settings: OidcSettings, url: str) -> list[Route]:
    return built(settings, url).routes()


def built(settings: OidcSettings, url: str) -> OpenIdSignIn:
    found = oidc.build(settings, url)
    assert found is not None
    return found


@contextlib.asynccontextmanager
async def serving(issuer: StandIn, **changed: Any) -> AsyncIterator[Guarded]:
    """Serve with logins at the issuer, as admin is wired."""
    port = ports.free()
    url = f"http://127.0.0.1:{port}"
    issuer.register(Client(CLIENT, "s3cret & more", (f"{url}/callback",)))
    wanted = {"issuer": issuer.issuer, "client_id": CLIENT, "client_secret": "s3cret & more", "cookie_keys": [KEY]}
    found = OidcSettings.model_validate({**wanted, "timeout": 2, "redirect_url": "/healthcheck", **changed})
    async with guarded(guard(found, url), routes(found, url), port) as server:
        yield server


@dataclass
class LoggedIn:
    """Somebody who has logged in."""

    server: Guarded
    browser: Browser

    async def subject(self) -> str:
        """Return the subject of a call with the cookies of the browser."""
        answer = await self.browser.get(f"{self.server.url}/api/v1/projects")
        return str(answer.json()["token"] if answer.status_code == 200 else answer.json()["message"])

    async def log_in(self, redirect_url: str = "") -> httpx.Response:
        parameters = httpx.QueryParams({"redirect_url": redirect_url} if redirect_url else {})
        return await self.browser.follow(f"{self.server.url}/login?{parameters}")


@pytest.fixture
async def user(issuer: StandIn, browser: Browser) -> AsyncIterator[LoggedIn]:
    async with serving(issuer) as server:
        yield LoggedIn(server, browser)


async def to_issuer(user: LoggedIn) -> str:
    """Start a login, and return where the browser is sent."""
    return str((await user.browser.get(f"{user.server.url}/login")).headers["location"])


async def test_who_logs_in_is_served(user: LoggedIn) -> None:
    assert "sign in" in await user.subject()

    answer = await user.log_in()

    assert (answer.status_code, answer.url.path) == (200, "/healthcheck")
    assert await user.subject() == "ada"


async def test_a_login_leads_to_where_it_was_started(user: LoggedIn) -> None:
    assert (await user.log_in("/api/v1/version?a=b")).url.raw_path == b"/api/v1/version?a=b"


async def test_the_request_to_the_issuer_protects_itself(user: LoggedIn, issuer: StandIn) -> None:
    first, second = query(await to_issuer(user)), query(await to_issuer(user))

    assert first["response_type"] == "code"
    assert first["redirect_uri"] == f"{user.server.url}/callback"
    assert first["code_challenge_method"] == "S256"
    assert "openid" in first["scope"].split()
    assert all(first[name] != second[name] for name in ("state", "nonce", "code_challenge"))


async def test_cookies_are_kept_from_pages_and_from_other_sites(user: LoggedIn) -> None:
    sent = await user.browser.get(f"{user.server.url}/login")
    back = await user.browser.get(sent.headers["location"])
    answer = await user.browser.get(back.headers["location"])

    cookies = [*sent.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    assert len(cookies) == 3
    assert all("HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie for cookie in cookies)
    assert answer.headers["cache-control"] == "no-store"
    assert "ada" not in "".join(cookies)


async def test_sessions_over_tls_stay_there() -> None:
    settings = OidcSettings.model_validate({"issuer": "https://x", "client_id": "y", "cookie_keys": [KEY]})

    assert routes(settings, "https://flyte.example.com")
    with pytest.raises(CommandError, match="in plain text"):
        routes(settings, "http://flyte.example.com")


async def test_a_callback_that_was_not_asked_for_is_refused(user: LoggedIn, issuer: StandIn) -> None:
    """Else a page could log its visitors in as somebody else."""
    async with Browser() as other:
        theirs = await other.get((await other.get(f"{user.server.url}/login")).headers["location"])
        answer = await user.browser.get(theirs.headers["location"])

    assert answer.status_code == 401
    assert "was not started in this browser" in answer.text
    assert "sign in" in await user.subject()


@pytest.mark.parametrize("change", [{"state": "x"}, {"state": ""}, {"code": ""}, {"iss": "https://other"}])
async def test_a_callback_with_something_else_is_refused(user: LoggedIn, change: dict[str, str]) -> None:
    back = httpx.URL((await user.browser.get(await to_issuer(user))).headers["location"])

    answer = await user.browser.get(str(back.copy_merge_params(change)))

    assert answer.status_code == 401
    assert not answer.headers.get_list("set-cookie")


async def test_a_code_is_of_use_once(user: LoggedIn) -> None:
    state_before = dict(user.browser.http.cookies)
    back = await user.browser.get(await to_issuer(user))
    state = user.browser.http.cookies[STATE]
    assert (await user.browser.get(back.headers["location"])).status_code == 303
    assert (await user.browser.get(back.headers["location"])).status_code == 401

    user.browser.http.cookies.set(STATE, state, "127.0.0.1")
    again = await user.browser.get(back.headers["location"])

    assert not state_before
    assert again.status_code == 403
    assert "[invalid_grant]" in again.text


async def test_a_user_who_is_refused_learns_why(user: LoggedIn, issuer: StandIn) -> None:
    issuer.user = None

    answer = await user.browser.follow(await to_issuer(user))

    assert answer.status_code == 403
    assert "[access_denied]" in answer.text


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"nonce": "x"}, "not for this login"),
        ({"aud": "other"}, "the token is for [other]"),
        ({"iss": "https://other"}, "claim [iss]"),
        ({"exp": 1}, "has expired"),
        ({"azp": "other"}, "for another client"),
        ({"sub": "eve"}, "another user"),
    ],
)
async def test_an_id_token_that_is_not_for_this_login_is_refused(
    user: LoggedIn, issuer: StandIn, claims: dict[str, Any], problem: str
) -> None:
    issuer.memory.id_token_claims = claims

    answer = await user.browser.follow(await to_issuer(user))

    assert answer.status_code == 403
    assert problem in answer.text
    assert "sign in" in await user.subject()


async def test_the_code_verifier_is_sent_with_the_code_only(user: LoggedIn, issuer: StandIn) -> None:
    asked = query(await to_issuer(user))
    await user.log_in()

    (verifier,) = issuer.memory.code_verifiers
    assert len(verifier) >= 43
    assert verifier not in asked.values()


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example.com/",
        "//evil.example.com/",
        "/\\evil.example.com/",
        "/\t/evil.example.com/",
        "\\\\evil.example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://127.0.0.1@evil.example.com/",
        "http://127.0.0.1:1@evil.example.com/",
        "http://127.0.0.1:1/",
        "http://127.0.0.1.evil.example.com/",
        "http://[::1",
        "http://127.0.0.1:port/",
        "evil.example.com",
        "/" + "x" * 2000,
        "/a\r\nset-cookie: a=b",
        "/ä",
    ],
)
@pytest.mark.parametrize("route", ["/login", "/logout"])
async def test_no_login_or_logout_leads_elsewhere(user: LoggedIn, route: str, target: str) -> None:
    answer = await user.browser.get(f"{user.server.url}{route}?{httpx.QueryParams({'redirect_url': target})}")

    assert answer.status_code == 403
    assert "location" not in answer.headers


def test_authorized_addresses_are_compared_by_their_origins() -> None:
    settings = OidcSettings(issuer="https://x", authorized_uris=("https://console.example.com/some/path",))
    redirects = Redirects(settings, "https://flyte.example.com")

    for target in ("https://console.example.com/a", "https://console.example.com:443/", "https://flyte.example.com/b"):
        assert redirects.checked(target) == target
    for target in ("http://console.example.com/a", "https://console.example.com:444/", "https://example.com"):
        with pytest.raises(PermissionDenied):
            redirects.checked(target)


async def test_a_logout_ends_the_session(user: LoggedIn) -> None:
    await user.log_in()

    answer = await user.browser.get(f"{user.server.url}/logout?redirect_url=/healthz")

    assert (answer.status_code, answer.headers["location"]) == (303, "/healthz")
    assert SESSION not in user.browser.http.cookies
    assert "sign in" in await user.subject()


async def test_who_has_a_session_need_not_log_in_again(user: LoggedIn, issuer: StandIn) -> None:
    await user.log_in()
    await issuer.stop()

    assert (await user.log_in("/healthz")).url.path == "/healthz"


async def test_a_session_is_renewed_without_the_user(issuer: StandIn, browser: Browser) -> None:
    async with serving(issuer) as server:
        user = LoggedIn(server, browser)
        await user.log_in()
        await expire(user)
        issuer.user = None  # Who would have to log in could not.
        issuer.memory.users["ada"]["groups"] = ["former"]

        await user.log_in()

        assert await user.subject() == "ada"


async def test_a_session_whose_user_is_gone_needs_a_login(issuer: StandIn, browser: Browser) -> None:
    async with serving(issuer) as server:
        user = LoggedIn(server, browser)
        await user.log_in()
        await expire(user)
        issuer.memory.refresh_tokens.clear()

        sent = await browser.get(f"{server.url}/login")

        assert sent.headers["location"].startswith(f"{issuer.issuer}/authorize")


async def expire(user: LoggedIn) -> None:
    """Let the session be over, as if an hour had passed."""
    sealer, cookies = Sealer([SecretStr(KEY)], user.server.url), user.browser.http.cookies
    opened = sealer.open("session", cookies[SESSION])
    assert opened is not None
    cookies.delete(SESSION)
    cookies.set(SESSION, sealer.seal("session", opened[0], time.time() - 1), "127.0.0.1")
    assert "the session has expired; sign in again at /login" in await user.subject()


async def test_sessions_go_on_while_the_issuer_is_down_and_new_ones_learn_why(user: LoggedIn, issuer: StandIn) -> None:
    await user.log_in()
    await issuer.stop()

    assert await user.subject() == "ada"
    async with serving(issuer) as restarted, Browser() as new:
        answer = await new.get(f"{restarted.url}/login")
    assert answer.status_code == 503
    assert f"the identity provider {issuer.issuer} cannot be asked, so nobody new can sign in" in answer.text


async def test_a_cookie_of_another_server_is_refused(user: LoggedIn, issuer: StandIn) -> None:
    """Also if both have the same keys, as two installations that were set up from the same file."""
    await user.log_in()
    async with serving(issuer) as same_keys, serving(issuer, cookie_keys=[key()]) as other_keys:
        for other in (same_keys, other_keys):
            answer = await user.browser.get(f"{other.url}/api/v1/projects")
            assert answer.status_code == 401
            assert "that of another server" in answer.json()["message"]


async def test_keys_of_cookies_can_be_replaced(issuer: StandIn, browser: Browser) -> None:
    port = ports.free()
    url, new = f"http://127.0.0.1:{port}", key()
    issuer.register(Client(CLIENT, "s", (f"{url}/callback",)))
    wanted = {"issuer": issuer.issuer, "client_id": CLIENT, "client_secret": "s", "redirect_url": "/healthz"}
    for keys, expected in (([KEY], "ada"), ([new, KEY], "ada"), ([new], "that of another server")):
        found = OidcSettings.model_validate({**wanted, "cookie_keys": keys})
        async with guarded(guard(found, url), routes(found, url), port) as server:
            user = LoggedIn(server, browser)
            if keys == [KEY]:
                await user.log_in()
            assert expected in await user.subject()


async def test_many_groups_fit_into_a_session(user: LoggedIn, issuer: StandIn) -> None:
    issuer.memory.users["ada"]["groups"] = [secrets.token_hex(16) for _ in range(200)]

    await user.log_in()

    assert await user.subject() == "ada"
    assert "flyte_sso_2" in user.browser.http.cookies
    issuer.memory.users["ada"]["groups"] = []
    await user.browser.get(f"{user.server.url}/logout")
    await user.log_in()
    assert "flyte_sso_2" not in user.browser.http.cookies
    assert await user.subject() == "ada"


async def test_a_session_that_no_browser_would_keep_is_refused(user: LoggedIn, issuer: StandIn) -> None:
    issuer.memory.users["ada"]["groups"] = [secrets.token_hex(64) for _ in range(400)]

    answer = await user.log_in()

    assert answer.status_code == 401
    assert "fewer groups" in answer.text


async def test_tokens_and_sessions_are_accepted_next_to_each_other(user: LoggedIn, issuer: StandIn) -> None:
    await user.log_in()
    token = issuer.token(sub="bob", aud=user.server.url)
    headers = {"authorization": f"Bearer {token}", "cookie": f"{SESSION}={user.browser.http.cookies[SESSION]}"}

    assert (await user.server.over_http(headers)).json()["token"] == "bob"


async def test_the_description_of_the_issuer_is_found_here(user: LoggedIn, issuer: StandIn) -> None:
    answer = await user.browser.follow(f"{user.server.url}/.well-known/openid-configuration")

    assert answer.json()["issuer"] == issuer.issuer


async def test_the_user_is_told_who_they_are(user: LoggedIn, issuer: StandIn) -> None:
    """As by flyteadmin, whose console shows the name."""
    assert (await user.browser.get(f"{user.server.url}/me")).status_code == 401
    issuer.memory.users["ada"]["preferred_username"] = "lovelace"
    await user.log_in()

    found = (await user.browser.get(f"{user.server.url}/me")).json()

    expected = {"subject": "ada", "name": "Ada", "email": "ada@example.com", "preferredUsername": "lovelace"}
    assert {name: value for name, value in found.items() if value} == expected


async def test_without_sign_in_there_is_nobody_to_tell_of() -> None:
    async with guarded(OPEN) as server, Browser() as browser:
        assert (await browser.get(f"{server.url}/me")).status_code == 501
