"""Engines and sessions, and the translation of the driver's errors. Built in ``cli``."""

import time
from typing import Any

import psycopg
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import TimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection

from flytetemporal import errors
from flytetemporal.config.database import DatabaseSettings

# A connection that has answered this recently is not pinged before its next use.
FRESH_SECONDS = 1.0


class Sessions(async_sessionmaker[AsyncSession]):
    """Sessions of an engine: ``sessions()`` for reads, ``sessions.begin()`` for a transaction.

    In a session for reads each statement is a transaction of its own: Postgres gets no BEGIN and no ROLLBACK, which
    would be two more round trips. A statement sees what is committed when it starts, as in a transaction of the level
    READ COMMITTED.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine, expire_on_commit=False)
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    def __call__(self, **options: Any) -> AsyncSession:
        """Return a session for reads."""
        return super().__call__(**{"bind": self._autocommit, **options})

    def begin(self) -> Any:
        """Return a context with a session in one transaction, which is committed at its end."""
        return self(bind=self.kw["bind"])._maker_context_manager()  # noqa: SLF001  as the method that this overrides


def open(settings: DatabaseSettings) -> tuple[AsyncEngine, Sessions]:
    """Return an engine and its sessions. They connect at first use; the caller disposes of the engine.

    Sessions raise ``InvalidRequest`` for values that no column can hold, such as texts with NUL characters, and
    ``Unavailable`` if the server does not answer, a statement takes too long, or no connection is free. A violated
    constraint raises SQLAlchemy's ``IntegrityError``. Rows can be read after the commit.
    """
    url = make_url(settings.url.get_secret_value())
    engine = create_async_engine(
        url,
        poolclass=_Pool,
        pool_size=settings.pool_size,
        max_overflow=settings.pool_size,
        pool_timeout=settings.pool_timeout.total_seconds(),
        pool_pre_ping=True,
        connect_args={"options": _options(url, settings)},
    )
    event.listen(engine.sync_engine, "handle_error", _translate)
    return engine, Sessions(engine)


_RETURNED_AT = "returned_at"


class _Pool(AsyncAdaptedQueuePool):
    """A pool that pings only connections that have been idle.

    Its exhaustion is an error of ours: SQLAlchemy does not pass it to ``handle_error``.
    """

    def _do_get(self) -> ConnectionPoolEntry:
        entry = super()._do_get()
        returned = entry.record_info or {}
        if time.monotonic() - returned.get(_RETURNED_AT, -FRESH_SECONDS) < FRESH_SECONDS:
            entry.fresh = True  # type: ignore[attr-defined]  # what SQLAlchemy asks before it pings
        return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if record.record_info is not None:
            record.record_info[_RETURNED_AT] = time.monotonic()
        super()._do_return_conn(record)

    def connect(self) -> PoolProxiedConnection:
        """Check out a connection. Raises ``Unavailable`` if none is free in time."""
        try:
            return super().connect()
        except TimeoutError as error:
            raise errors.Unavailable(
                "all connections to the database are in use; try again, or raise FLYTETEMPORAL_DATABASE__POOL_SIZE"
            ) from error


def _options(url: URL, settings: DatabaseSettings) -> str:
    """Return the options of the server session: those of the URL, which the driver would drop, and ours."""
    given = url.query.get("options", ())
    options = [given] if isinstance(given, str) else [*given]
    # Without a limit there is no option: poolers such as PgBouncer refuse the ones that they do not know.
    if settings.statement_timeout:
        options.append(f"-c statement_timeout={round(settings.statement_timeout.total_seconds() * 1000)}")
    return " ".join(options)


def _translate(context: ExceptionContext) -> None:
    error = context.original_exception
    # ProgramLimitExceeded: a key is too long for its index, although each part fits into its column.
    if isinstance(error, (psycopg.DataError, psycopg.errors.ProgramLimitExceeded)):
        raise errors.InvalidRequest(f"invalid value: {_first_line(error)}") from error
    if isinstance(error, psycopg.errors.QueryCanceled):
        raise errors.Unavailable(
            "the database cancelled a statement that took longer than FLYTETEMPORAL_DATABASE__STATEMENT_TIMEOUT; "
            "try again, or ask for less"
        ) from error
    # Before use the pool pings a connection and replaces it if it is broken; SQLAlchemy handles that error.
    if isinstance(error, psycopg.OperationalError) and not context.is_pre_ping:
        raise errors.Unavailable(f"the database does not answer: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
