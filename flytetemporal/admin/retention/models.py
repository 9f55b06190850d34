"""The tables of retention."""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Identity, Index, Interval, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.admin.base.models import NAME
from flytetemporal.db.orm import Base

OCCUPIES_NAME = "kind = 'execution' AND (finished_at IS NULL OR kept_files > 0)"
"""The condition on removals of executions whose name cannot be used again: files of theirs are left."""

UNFINISHED_PROJECT = "finished_at IS NULL AND kind = 'project'"
"""The condition on removals of projects that are not finished."""


class RetentionPolicyRow(Base):
    """How long the executions of a project and domain are kept."""

    __tablename__ = "retention_policies"
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    max_age: Mapped[timedelta | None] = mapped_column(Interval)
    max_count: Mapped[int | None] = mapped_column(BigInteger)
    updated_by: Mapped[str] = mapped_column(NAME)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    # Number of the last execution row that a round has looked at; 0: start from the first one.
    position: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))


class RemovalRow(Base):
    """Something that was removed. The row is a record for operators and, until it is finished, work for the loop.

    The columns are not named like those of an execution: rows that are belong to it, and are removed with it.
    """

    __tablename__ = "removals"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[str] = mapped_column(NAME)
    project: Mapped[str] = mapped_column(NAME)
    domain: Mapped[str] = mapped_column(NAME)
    name: Mapped[str] = mapped_column(NAME)
    version: Mapped[str] = mapped_column(NAME, server_default=text("''"))
    removed_by: Mapped[str] = mapped_column(NAME)
    reason: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    # The execution has used the cache or produced artifacts, so values of its own can be in use elsewhere.
    keeps_values: Mapped[bool] = mapped_column(server_default=text("false"))
    # Of a project: its executions, and the versions of its tasks, workflows and launch plans.
    executions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    versions: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    nodes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    tasks: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    cached_outputs: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    histories: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    files: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    kept_files: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    __table_args__ = (
        Index("ix_removals_scope", "project", "domain", "id"),
        Index(
            "ix_removals_unfinished",
            "project",
            "domain",
            "name",
            unique=True,
            postgresql_where="finished_at IS NULL AND kind = 'execution'",
        ),
        Index("ix_removals_projects", "id", postgresql_where=UNFINISHED_PROJECT),
        Index("ix_removals_occupying", "project", "domain", "name", postgresql_where=OCCUPIES_NAME),
    )


class ValueReferenceRow(Base):
    """Inputs of an execution that are stored as values of another one, the source."""

    __tablename__ = "value_references"
    source_project: Mapped[str] = mapped_column(NAME, primary_key=True)
    source_domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    source_name: Mapped[str] = mapped_column(NAME, primary_key=True)
    execution_project: Mapped[str] = mapped_column(NAME, primary_key=True)
    execution_domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    execution_name: Mapped[str] = mapped_column(NAME, primary_key=True)
    __table_args__ = (
        Index("ix_value_references_execution", "execution_project", "execution_domain", "execution_name"),
    )
