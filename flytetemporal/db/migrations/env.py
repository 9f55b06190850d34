"""Runs migrations: one process at a time, in one transaction, with a limit on the wait for table locks."""

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

# An arbitrary number. All versions of the program must use the same one.
LOCK = 7_205_759_403
# A migration that waits for a table lock blocks all later queries of that table, so it fails after a short wait.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        # Taken before the timeouts are set: the migration of another process can take long. Released at the commit.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
        context.run_migrations()


engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.connect() as connection:
    _migrate(connection)
