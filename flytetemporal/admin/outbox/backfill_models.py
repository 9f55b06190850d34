"""The tables of backfills: a row for each backfill, and one for each of its times."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, Integer, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.admin.base.models import NAME
from flytetemporal.db.orm import Base


class BackfillRow(Base):
    """A backfill. The counts are those of its times by state, as of its last step."""

    __tablename__ = "backfills"
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    ended_at: Mapped[datetime | None]
    # Of what makes two requests ask for the same.
    digest: Mapped[str] = mapped_column(String(64))
    launch_plan_name: Mapped[str] = mapped_column(NAME)
    launch_plan_version: Mapped[str] = mapped_column(NAME)
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    parallel: Mapped[int] = mapped_column(Integer)
    newest_first: Mapped[bool]
    failed_only: Mapped[bool]
    # Name of Backfill.State.
    state: Mapped[str] = mapped_column(NAME)
    abort_running: Mapped[bool]
    waits_for: Mapped[str] = mapped_column(Text)
    started_by: Mapped[str] = mapped_column(NAME)
    reason: Mapped[str] = mapped_column(Text)
    total: Mapped[int] = mapped_column(Integer)
    pending: Mapped[int] = mapped_column(Integer)
    running: Mapped[int] = mapped_column(Integer)
    succeeded: Mapped[int] = mapped_column(Integer)
    failed: Mapped[int] = mapped_column(Integer)
    skipped: Mapped[int] = mapped_column(Integer)
    cancelled: Mapped[int] = mapped_column(Integer)
    __table_args__ = (
        Index("ix_backfills_scope", "project", "domain", "id"),
        Index("ix_backfills_digest", "project", "domain", "digest"),
        # Those whose workflow must run. They are few.
        Index("ix_backfills_open", "id", postgresql_where=text("ended_at IS NULL")),
    )


class BackfillRunRow(Base):
    """One time of a backfill."""

    __tablename__ = "backfill_runs"
    # BackfillRow.id
    backfill_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    scheduled_at: Mapped[datetime] = mapped_column(primary_key=True)
    # Name of BackfillRun.State, or CLAIMED: the name of its execution is chosen, and the launch is not confirmed.
    state: Mapped[str] = mapped_column(NAME)
    execution_name: Mapped[str] = mapped_column(NAME)
    problem: Mapped[str] = mapped_column(Text)
    __table_args__ = (Index("ix_backfill_runs_state", "backfill_id", "state", "scheduled_at"),)
