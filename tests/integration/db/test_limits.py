"""What takes too long in Postgres, or finds no connection, is UNAVAILABLE and not our fault."""

from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url, text

from flytetemporal import errors
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.db import migrate, session


async def test_no_free_connection_is_unavailable(database: DatabaseSettings) -> None:
    settings = database.model_copy(update={"pool_size": 1, "pool_timeout": timedelta(0)})
    engine, sessions = session.open(settings)

    async with sessions() as first, sessions() as second, sessions() as third:
        for taken in (first, second):
            await taken.execute(text("SELECT 1"))
        with pytest.raises(errors.Unavailable, match="all connections to the database are in use"):
            await third.execute(text("SELECT 1"))

    await engine.dispose()


async def test_a_statement_that_takes_too_long_is_unavailable(database: DatabaseSettings) -> None:
    settings = database.model_copy(update={"statement_timeout": timedelta(milliseconds=50)})
    engine, sessions = session.open(settings)

    async with sessions() as opened:
        with pytest.raises(errors.Unavailable, match="longer than FLYTETEMPORAL_DATABASE__STATEMENT_TIMEOUT"):
            await opened.execute(text("SELECT pg_sleep(60)"))

    await engine.dispose()


async def test_options_of_the_url_stay(database: DatabaseSettings) -> None:
    url = make_url(database.url.get_secret_value())
    url = url.update_query_dict({"options": "-c search_path=elsewhere"})
    settings = database.model_copy(update={"url": SecretStr(url.render_as_string(hide_password=False))})
    engine, sessions = session.open(settings)

    async with sessions() as opened:
        found = [
            (await opened.execute(text(f"SHOW {name}"))).scalar_one() for name in ("search_path", "statement_timeout")
        ]

    await engine.dispose()
    assert found == ["elsewhere", "30s"]


def test_migrations_have_a_limit_of_their_own(database: DatabaseSettings) -> None:
    migrate.upgrade(database.url.get_secret_value())


async def test_the_limit_of_statements_can_be_lifted(database: DatabaseSettings) -> None:
    engine, sessions = session.open(database.model_copy(update={"statement_timeout": timedelta(0)}))

    async with sessions() as opened:
        found = (await opened.execute(text("SHOW statement_timeout"))).scalar_one()

    await engine.dispose()
    assert found == "0"
