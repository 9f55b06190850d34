"""Each attempt to sign in at our authorization server is in the audit log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal.admin.access.models import AuditRow
from tests.fixtures import sign_in
from tests.fixtures.browser import Browser
from tests.fixtures.sign_in import PASSWORD, SERVICE, USER, SignInServer

Sessions = async_sessionmaker[AsyncSession]
LOGIN, TOKEN = "POST /login", "POST /oauth2/token"


@pytest.fixture
async def running(tmp_path: Path, sessions: Sessions) -> AsyncIterator[SignInServer]:
    async with sign_in.serving(sign_in.settings(tmp_path), sessions) as found:
        yield found


async def entries(running: SignInServer, sessions: Sessions) -> list[tuple[str, str, str, str]]:
    await running.log.write_waiting()
    async with sessions() as session:
        rows = (await session.scalars(select(AuditRow).order_by(AuditRow.id))).all()
    assert {row.action for row in rows} <= {"sign-in"}
    return [(row.target, row.kind, row.subject, row.code) for row in rows]


async def test_who_signs_in_with_a_password_is_named_whether_or_not_it_is_right(
    running: SignInServer, sessions: Sessions
) -> None:
    for password in ("wrong", PASSWORD):
        await asyncio.to_thread(Browser(USER, password).open, f"{running.url}/login")

    assert sorted(await entries(running, sessions)) == [
        (LOGIN, "user", USER, "OK"), (LOGIN, "user", USER, "UNAUTHENTICATED"),
    ]  # fmt: skip


async def test_a_token_is_recorded_with_whom_it_is_for_and_a_refused_one_without(
    running: SignInServer, sessions: Sessions
) -> None:
    token = await sign_in.service_token(running)
    async with httpx.AsyncClient(base_url=running.url) as http:
        await http.post("/oauth2/token", data={"grant_type": "client_credentials"}, auth=(SERVICE, "wrong"))

    found = await entries(running, sessions)
    assert sorted(found) == [(TOKEN, "", "", "UNAUTHENTICATED"), (TOKEN, "service", SERVICE, "OK")]
    async with sessions() as session:
        rows = (await session.scalars(select(AuditRow))).all()
    assert all(token not in f"{row.credential_id} {row.message} {row.target}" for row in rows)
    assert all(row.peer and row.request_id for row in rows)


async def test_pages_of_sign_in_are_no_attempts(running: SignInServer, sessions: Sessions) -> None:
    async with httpx.AsyncClient(base_url=running.url) as http:
        await http.get("/login")
        await http.get("/oauth2/jwks")

    assert await entries(running, sessions) == []
