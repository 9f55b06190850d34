"""Sessions for reads open no transaction, and connections in use are not pinged."""

import contextlib

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal import errors
from flytetemporal.admin.base.models import ProjectRow
from flytetemporal.db import session

Maker = async_sessionmaker[AsyncSession]


async def backend(opened: AsyncSession) -> int:
    return int((await opened.execute(text("SELECT pg_backend_pid()"))).scalar_one())


async def state(sessions: Maker, pid: int) -> str:
    async with sessions() as other:
        query = text("SELECT state FROM pg_stat_activity WHERE pid = :pid")
        return str((await other.execute(query, {"pid": pid})).scalar_one())


async def projects(sessions: Maker) -> list[str]:
    async with sessions() as opened:
        return list((await opened.scalars(select(ProjectRow.identifier))).all())


async def kill(sessions: Maker, pid: int) -> None:
    async with sessions() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": pid})


async def test_a_session_for_reads_opens_no_transaction(sessions: Maker) -> None:
    async with sessions() as reading:
        assert await state(sessions, await backend(reading)) == "idle"


async def test_a_transaction_is_open_until_it_is_committed(sessions: Maker) -> None:
    async with sessions.begin() as writing:
        writing.add(ProjectRow(identifier="p", name="p"))
        await writing.flush()
        assert await state(sessions, await backend(writing)) == "idle in transaction"
        assert await projects(sessions) == []
    assert await projects(sessions) == ["p"]


async def test_a_transaction_that_fails_is_rolled_back_although_its_connection_was_used_for_reads(
    sessions: Maker,
) -> None:
    assert await projects(sessions) == []
    with contextlib.suppress(KeyError):
        async with sessions.begin() as writing:
            writing.add(ProjectRow(identifier="p", name="p"))
            await writing.flush()
            raise KeyError
    assert await projects(sessions) == []


async def test_a_connection_that_died_while_it_was_idle_is_replaced(
    sessions: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FRESH_SECONDS", 0.0)
    async with sessions() as first, sessions() as second:
        pid = await backend(first)
        await backend(second)
    await kill(sessions, pid)

    for _ in range(3):
        assert await projects(sessions) == []


async def test_a_connection_that_died_just_after_its_use_fails_one_call(
    sessions: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "FRESH_SECONDS", 3600.0)
    async with sessions() as first:
        pid = await backend(first)
        await kill(sessions, pid)
    failed = 0
    for _ in range(3):
        try:
            assert await projects(sessions) == []
        except errors.Unavailable:
            failed += 1
    assert failed <= 1
