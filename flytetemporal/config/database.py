"""Settings of Postgres."""

from pydantic import SecretStr

from flytetemporal.config.part import Part


class DatabaseSettings(Part):
    """Postgres."""

    url: SecretStr = SecretStr("postgresql+psycopg://postgres@127.0.0.1:5432/flytetemporal")
    """SQLAlchemy URL with the psycopg driver."""
    pool_size: int = 10
    """Connections that a process keeps open. Under load it opens up to twice this number."""
