"""The table of executions that wait for a place of their launch plan."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, Identity, Index, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.admin.base.models import NAME
from flytetemporal.db.orm import Base


class WaitingExecutionRow(Base):
    """An execution that waits for a place. The row is deleted when the execution gets one, or is aborted."""

    __tablename__ = "waiting_executions"
    execution_project: Mapped[str] = mapped_column(primary_key=True)
    execution_domain: Mapped[str] = mapped_column(primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    # The order of the queue among rows of one priority.
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # The scope whose places are counted: see ``limits.Scope``.
    plan_project: Mapped[str] = mapped_column(NAME)
    plan_domain: Mapped[str] = mapped_column(NAME)
    plan_name: Mapped[str] = mapped_column(NAME)
    scheduled: Mapped[bool]
    # The number of places, as the version of the launch plan says that was launched.
    places: Mapped[int]
    # 1 goes first, 5 last.
    priority: Mapped[int]
    # The executions above this one, "project:domain:name": they hold their places until it ends.
    above: Mapped[list[str]] = mapped_column(ARRAY(Text))
    __table_args__ = (
        Index(
            "ix_waiting_executions_queue",
            "plan_project",
            "plan_domain",
            "plan_name",
            "scheduled",
            "priority",
            "id",
        ),
    )
