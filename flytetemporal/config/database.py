"""Settings of Postgres."""

from datetime import timedelta

from pydantic import SecretStr

from flytetemporal.config.part import Part


class DatabaseSettings(Part):
    """Postgres."""

    url: SecretStr = SecretStr("postgresql+psycopg://postgres@127.0.0.1:5432/flytetemporal")
    """SQLAlchemy URL with the psycopg driver."""
    pool_size: int = 10
    """Connections that a process keeps open. Under load it opens up to twice this number."""
    pool_timeout: timedelta = timedelta(seconds=10)
    """A call that finds no free connection for this time is answered UNAVAILABLE."""
    statement_timeout: timedelta = timedelta(seconds=30)
    """Postgres cancels statements that take longer, and the call is answered UNAVAILABLE; zero means no limit.
    Migrations have their own limit of ten minutes."""
