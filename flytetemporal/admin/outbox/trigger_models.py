"""The tables of triggers and of their events."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, Integer, LargeBinary, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.admin.base.models import NAME
from flytetemporal.db.orm import Base


class TriggerRow(Base):
    """A trigger of a launch plan. It belongs to the name: it stays while versions that have it replace each other."""

    __tablename__ = "triggers"
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    launch_plan: Mapped[str] = mapped_column(NAME, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    # The version that declares it: the active one or, if none is active, the last one that was.
    version: Mapped[str] = mapped_column(NAME)
    kind: Mapped[str]
    # The launch plan whose executions are events of a trigger of kind "success"; empty for other kinds.
    source_project: Mapped[str] = mapped_column(NAME)
    source_domain: Mapped[str] = mapped_column(NAME)
    source_name: Mapped[str] = mapped_column(NAME)
    # The declaration, as JSON.
    declaration: Mapped[str] = mapped_column(Text)
    is_active: Mapped[bool]
    active_since: Mapped[datetime]
    # Of a prefix: the name after which the next page of its list starts, the number of complete lists, and whether one
    # was complete since the activation.
    listed_until: Mapped[str] = mapped_column(Text, server_default=text("''"), default="")
    listed_at: Mapped[datetime | None]
    passes: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    is_first_pass: Mapped[bool] = mapped_column(server_default=text("true"), default=True)
    # Of the newest event that launched an execution.
    last_execution: Mapped[str] = mapped_column(server_default=text("''"), default="")
    # Why the newest event that launched nothing did not.
    last_error: Mapped[str] = mapped_column(Text, server_default=text("''"), default="")
    last_error_at: Mapped[datetime | None]
    __table_args__ = (
        # Read whenever an execution succeeds.
        Index(
            "ix_triggers_source",
            "source_project",
            "source_domain",
            "source_name",
            postgresql_where=text("is_active AND kind = 'success'"),
        ),
    )


class TriggerEventRow(Base):
    """An event of a trigger. Its key is the name of the execution it launches, which derives from trigger and event.

    The row is committed together with what it is about, so no event is lost, and one that comes twice is one row.
    """

    __tablename__ = "trigger_events"
    project: Mapped[str] = mapped_column(NAME, primary_key=True)
    domain: Mapped[str] = mapped_column(NAME, primary_key=True)
    execution_name: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    trigger_id: Mapped[int] = mapped_column(BigInteger)
    # The source execution, the URI and version of the object, or the id of the delivery.
    event_id: Mapped[str] = mapped_column(Text)
    occurred_at: Mapped[datetime]
    # The body of a webhook; empty for other kinds, whose event id says everything.
    payload: Mapped[bytes] = mapped_column(LargeBinary, server_default=text("''"), default=b"")
    # Name of TriggerEvent.State.
    state: Mapped[str] = mapped_column(server_default=text("'PENDING'"), default="PENDING")
    # Why nothing was launched, or not yet; or what the execution waits for.
    message: Mapped[str] = mapped_column(Text, server_default=text("''"), default="")
    tries: Mapped[int] = mapped_column(Integer, server_default=text("0"), default=0)
    next_try_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        Index("ix_trigger_events_pending", "next_try_at", postgresql_where=text("state = 'PENDING'")),
        Index("ix_trigger_events_trigger", "trigger_id", "id"),
        Index("ix_trigger_events_created", "created_at"),
    )


class TriggerObjectRow(Base):
    """An object under the prefix of a trigger, in the version that was seen last."""

    __tablename__ = "trigger_objects"
    trigger_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    # Below the prefix.
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[str] = mapped_column(Text)
    # Number of a list that had it; not of the last one, since that would be a write per object and list.
    seen_in: Mapped[int] = mapped_column(BigInteger)
