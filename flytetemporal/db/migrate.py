"""Upgrades of a database's schema. The migration scripts are part of the package."""

import threading

from alembic import command
from alembic.config import Config

ALL = "heads"
CATALOG = "catalog@head"
"""The migrations of the catalog alone."""

# Alembic keeps the running migration in global variables.
_running = threading.Lock()


def upgrade(url: str, target: str = ALL) -> None:
    """Apply all pending migrations. Blocks; concurrent calls, also of other processes, run one after the other.

    Args:
        url: SQLAlchemy URL with the psycopg driver.
        target: The revision to upgrade to; the default is the newest one of each branch.
    """
    config = Config()
    config.set_main_option("script_location", "flytetemporal.db:migrations")
    # Not an option: alembic interpolates "%" in those.
    config.attributes["url"] = url
    with _running:
        command.upgrade(config, target)
