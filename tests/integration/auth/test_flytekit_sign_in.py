"""Stock flytekit signs in to our authorization server by each of its auth types, with TLS and on loopback."""

import asyncio
import re
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flyteidl.admin import project_pb2
from flytekit.clients.auth.auth_client import AuthorizationClient
from flytekit.clients.raw import RawSynchronousFlyteClient
from flytekit.configuration import PlatformConfig
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.auth.identity import Credential, Kind
from tests.fixtures import sign_in
from tests.fixtures.browser import Browser, TabOpener
from tests.fixtures.certificates import Authority
from tests.fixtures.sign_in import PASSWORD, SECRET, SERVICE, USER, SignInServer

LIST = project_pb2.ProjectListRequest(limit=1)


@pytest.fixture(params=["loopback", "tls"])
async def running(
    request: pytest.FixtureRequest, tmp_path: Path, sessions: async_sessionmaker[AsyncSession]
) -> AsyncIterator[SignInServer]:
    authority = Authority(tmp_path, "authority") if request.param == "tls" else None
    wanted = sign_in.settings(tmp_path, authority, device_poll_interval="PT1S")
    async with sign_in.serving(wanted, sessions, authority) as found:
        yield found


async def call(config: PlatformConfig) -> str:
    def ask() -> str:
        return str(RawSynchronousFlyteClient(config).list_projects(LIST).token)

    return await asyncio.to_thread(ask)


@pytest.fixture
def tabs(running: SignInServer) -> Any:
    """Return what opens pages; flytekit finds it as the browser of this machine."""
    opener = TabOpener(Browser(USER, PASSWORD, running.verify))
    webbrowser.register("flytetemporal-tests", None, opener, preferred=True)
    yield opener
    webbrowser._tryorder.remove("flytetemporal-tests")  # type: ignore[attr-defined]
    AuthorizationClient._instances.clear()


async def test_pkce_signs_the_user_in_through_the_browser(running: SignInServer, tabs: TabOpener) -> None:
    assert await call(running.platform(auth_mode="Pkce")) == "served"

    (found,) = running.callers
    assert found is not None
    assert (found.subject, found.kind, found.client_id) == (USER, Kind.USER, "flytectl")
    assert found.groups == {"scientists", "authors"}
    assert found.credential is Credential.TOKEN
    assert "code_challenge_method=S256" in tabs.opened[0]


async def test_client_secret_signs_the_service_in(running: SignInServer) -> None:
    config = running.platform(auth_mode="ClientSecret", client_id=SERVICE, client_credentials_secret=SECRET)

    assert await call(config) == "served"

    (found,) = running.callers
    assert found is not None
    assert (found.subject, found.kind, found.client_id) == (SERVICE, Kind.SERVICE, SERVICE)


async def test_a_wrong_client_secret_is_refused(running: SignInServer) -> None:
    config = running.platform(auth_mode="ClientSecret", client_id=SERVICE, client_credentials_secret="wrong")

    with pytest.raises(Exception, match="invalid_client"):
        await call(config)
    assert running.callers == []


async def test_device_flow_signs_the_user_in_on_another_machine(
    running: SignInServer, capsys: pytest.CaptureFixture[str]
) -> None:
    allowed = threading.Event()

    def allow() -> None:
        shown = ""
        while not (found := re.search(r"https?://\S+user_code=[A-Z]{4}-[A-Z]{4}", shown)):
            shown += capsys.readouterr().out
            allowed.wait(0.05)
        browser = Browser(USER, PASSWORD, running.verify)
        browser.submit(browser.open(found[0]), {"decision": "allow"})
        allowed.set()

    thread = threading.Thread(target=allow, daemon=True)
    thread.start()

    assert await call(running.platform(auth_mode="DeviceFlow")) == "served"

    assert allowed.is_set()
    assert [found.subject for found in running.callers if found] == [USER]


async def test_an_external_command_brings_a_token(running: SignInServer, tmp_path: Path) -> None:
    token = await sign_in.service_token(running)
    (tmp_path / "token").write_text(token)

    config = running.platform(
        auth_mode="ExternalCommand",
        command=[sys.executable, "-c", f"print(open({str(tmp_path / 'token')!r}).read())"],
    )

    assert await call(config) == "served"


async def test_tokens_are_taken_by_the_http_gateway_in_both_headers(running: SignInServer) -> None:
    bearer = f"Bearer {await sign_in.service_token(running)}"

    async with httpx.AsyncClient(base_url=running.url, verify=running.verify) as http:
        for header in ("authorization", "flyte-authorization"):
            answer = await http.get("/api/v1/projects", headers={header: bearer})
            assert answer.json()["token"] == "served"
        refused = await http.get("/api/v1/projects")
    assert refused.status_code == 401
