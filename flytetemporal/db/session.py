"""Engines and sessions, and the translation of the driver's errors. Built in ``cli``."""

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from flytetemporal import errors
from flytetemporal.config.database import DatabaseSettings


def open(settings: DatabaseSettings) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """Return an engine and its sessions. They connect at first use; the caller disposes of the engine.

    Sessions raise ``InvalidRequest`` for values that no column can hold, such as texts with NUL characters, and
    ``Unavailable`` if the server does not answer. A violated constraint raises SQLAlchemy's ``IntegrityError``. Rows
    can be read after the commit.
    """
    engine = create_async_engine(
        settings.url.get_secret_value(),
        pool_size=settings.pool_size,
        max_overflow=settings.pool_size,
        pool_pre_ping=True,
    )
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine, async_sessionmaker(engine, expire_on_commit=False)


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    # ProgramLimitExceeded: a key is too long for its index, although each part fits into its column.
    if isinstance(error, (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)):
        raise errors.InvalidRequest(f"invalid value: {_first_line(error)}") from error
    # Before use the pool pings a connection and replaces it if it is broken; SQLAlchemy handles that error.
    if isinstance(error, psycopg.OperationalError) and not context.is_pre_ping:
        raise errors.Unavailable(f"the database does not answer: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
