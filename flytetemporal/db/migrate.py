"""Upgrades of a database's schema. The migration scripts are part of the package."""

import threading

from alembic import command
from alembic.config import Config

# Alembic keeps the running migration in global variables.
_running = threading.Lock()


def upgrade(url: str) -> None:
    """Apply all pending migrations. Blocks; concurrent calls, also of other processes, run one after the other.

    Args:
        url: SQLAlchemy URL with the psycopg driver.
    """
    config = Config()
    config.set_main_option("script_location", "flytetemporal.db:migrations")
    # Not an option: alembic interpolates "%" in those.
    config.attributes["url"] = url
    with _running:
        command.upgrade(config, "head")
