"""How workers sign in to admin: with a client's secret, or with a token in a file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from flyteidl.admin import project_pb2
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.auth.service_tokens import ClientTokens, TokenFile
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring import connections
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import Unauthenticated, Unavailable
from flytetemporal.rpc.client import Client, Tokens
from flytetemporal.rpc.tls import ClientFiles
from tests.fixtures import sign_in
from tests.fixtures.certificates import Authority
from tests.fixtures.sign_in import SECRET, SERVICE, SignInServer

LIST = "/flyteidl.service.AdminService/ListProjects"
Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def running(tmp_path: Path, sessions: Sessions) -> AsyncIterator[SignInServer]:
    authority = Authority(tmp_path, "authority")
    async with sign_in.serving(sign_in.settings(tmp_path, authority), sessions, authority) as found:
        yield found


def tokens(running: SignInServer, secret: str = SECRET) -> ClientTokens:
    assert running.authority is not None
    settings = WorkerSettings(
        admin_url=running.url,
        admin_tls=True,
        admin_ca=str(running.authority.path),
        admin_client_id=SERVICE,
        admin_client_secret=SecretStr(secret),
    )
    found = connections.admin_tokens(settings)
    assert isinstance(found, ClientTokens)
    return found


async def call(running: SignInServer, presented: Tokens) -> str:
    assert running.authority is not None
    client = Client(
        f"localhost:{running.settings.admin.grpc_port}", ClientFiles(str(running.authority.path)), presented
    )
    try:
        return (await client.method(LIST, project_pb2.Projects)(project_pb2.ProjectListRequest(limit=1))).token
    finally:
        await client.close()


async def test_a_worker_signs_in_with_its_secret(running: SignInServer) -> None:
    assert await call(running, tokens(running)) == "served"

    assert [found.subject for found in running.callers if found] == [SERVICE]


async def test_a_token_that_is_refused_is_replaced(running: SignInServer, sessions: Sessions) -> None:
    presented = tokens(running)
    assert await call(running, presented) == "served"
    before = await presented.header()
    # All keys are lost, and the servers have noticed.
    async with sessions.begin() as session:
        await session.execute(text("delete from signing_keys"))
    running.own.tokens.ring.forget()

    assert await call(running, presented) == "served"
    assert await presented.header() != before


async def test_a_wrong_secret_is_refused(running: SignInServer) -> None:
    with pytest.raises(Unauthenticated, match="invalid_client"):
        await call(running, tokens(running, "wrong"))


async def test_a_server_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="gives no token"):
        await ClientTokens("http://127.0.0.1:1/oauth2/token", SERVICE, SECRET).header()
    with pytest.raises(Unavailable, match="cannot read the token"):
        await TokenFile(tmp_path / "none").header()


async def test_a_token_in_a_file_is_read_again_when_it_was_refused(running: SignInServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{await sign_in.service_token(running)}\n")
    found = connections.admin_tokens(WorkerSettings(admin_token_file=str(file)))
    assert isinstance(found, TokenFile)

    assert await call(running, found) == "served"

    file.write_text("x.y.z")
    with pytest.raises(Unauthenticated):
        await call(running, found)


@pytest.mark.parametrize(
    "settings",
    [
        WorkerSettings(admin_client_id="c"),
        WorkerSettings(admin_client_secret=SecretStr("s")),
        WorkerSettings(admin_client_id="c", admin_client_secret=SecretStr("s"), admin_token_file="/token"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: WorkerSettings) -> None:
    with pytest.raises(CommandError, match="ADMIN_"):
        connections.admin_tokens(settings)


def test_without_settings_a_worker_does_not_sign_in() -> None:
    assert connections.admin_tokens(WorkerSettings()) is None
