"""How migrations run: one at a time, in one transaction, giving up rather than blocking tables in use."""

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

# Any number will do, as long as all versions of the program take the same.
LOCK = 7_205_759_403
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        # Waiting for another migration may take long; it ends with the transaction.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"))
        context.run_migrations()


engine = create_engine(context.config.attributes["url"], poolclass=NullPool)
with engine.connect() as connection:
    _migrate(connection)
