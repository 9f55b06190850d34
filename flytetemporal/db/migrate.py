"""Bring a database's schema up to date. The scripts are part of the package."""

import threading

from alembic import command
from alembic.config import Config

# Alembic keeps the migration that runs in globals of the process.
_running = threading.Lock()


def upgrade(url: str) -> None:
    """Apply every migration that the database lacks; blocks. Several at once wait for each other.

    Args:
        url: SQLAlchemy URL with the psycopg driver.
    """
    config = Config()
    config.set_main_option("script_location", "flytetemporal.db:migrations")
    # An attribute, because a "%" in the URL would mean something in an option.
    config.attributes["url"] = url
    with _running:
        command.upgrade(config, "head")
