"""The migrations create the tables of the models."""

import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, create_engine

from flytetemporal.admin.base import models, outbox_rows
from flytetemporal.admin.outbox.backfill_models import BackfillRow
from flytetemporal.admin.upkeep.models import UpkeepLoopRow
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.db import migrate
from tests.fixtures.postgres import execute
from tests.fixtures.waiting import HANG_SECONDS


def test_migrated_schema_is_that_of_the_models(database: DatabaseSettings) -> None:
    engine = create_engine(database.url.get_secret_value())

    with engine.connect() as connection:
        known = models.ProjectRow.metadata.tables
        assert UpkeepLoopRow.__tablename__ in known
        assert outbox_rows.NotificationRow.__tablename__ in known
        assert BackfillRow.__tablename__ in known
        context = MigrationContext.configure(
            connection,
            opts={"include_name": lambda name, kind, _: kind != "table" or name in known},
        )
        differences = compare_metadata(context, models.ProjectRow.metadata)

    engine.dispose()
    assert differences == []


def test_upgrading_again_changes_nothing(database: DatabaseSettings) -> None:
    migrate.upgrade(database.url.get_secret_value())


def test_several_upgrades_at_once_wait_for_each_other(postgres: URL) -> None:
    execute(postgres, "CREATE DATABASE upgraded_by_many")
    url = postgres.set(database="upgraded_by_many").render_as_string(hide_password=False)

    program = f"from flytetemporal.db import migrate; migrate.upgrade({url!r})"
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    statuses = [process.wait(timeout=HANG_SECONDS) for process in running]

    execute(postgres, "DROP DATABASE upgraded_by_many WITH (FORCE)")
    assert statuses == [0, 0, 0]
