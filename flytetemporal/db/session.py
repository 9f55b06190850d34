"""Engines and sessions, and what the driver's errors mean to callers. Built in ``cli``, handed down."""

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from flytetemporal import errors
from flytetemporal.config.database import DatabaseSettings


def open(settings: DatabaseSettings) -> tuple[AsyncEngine, async_sessionmaker[AsyncSession]]:
    """Return an engine and its sessions; connecting happens at first use. Dispose of the engine in the end.

    Sessions raise ``InvalidRequest`` for values that no column can hold, like texts with NUL bytes, and ``Unavailable``
    when the server does not answer. Violated constraints stay SQLAlchemy's ``IntegrityError``. Rows stay readable after
    the commit.
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
    # A key can be too long for an index although its parts fit their columns.
    if isinstance(error, (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)):
        raise errors.InvalidRequest(f"invalid value: {_first_line(error)}") from error
    # The pool probes idle connections; what it finds is its own business.
    if isinstance(error, psycopg.OperationalError) and not context.is_pre_ping:
        raise errors.Unavailable(f"the database does not answer: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
