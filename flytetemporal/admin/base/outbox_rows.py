"""The tables of the outbox: what is recorded in the transaction that it reports, and delivered later."""

from datetime import datetime

from sqlalchemy import BigInteger, Identity, Index, Integer, LargeBinary, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from flytetemporal.db.orm import Base


class NotificationRow(Base):
    """A notification to one recipient: it waits for its delivery, has been delivered, or has failed."""

    __tablename__ = "notifications"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(unique=True)
    # Empty: a test, that no execution is the cause of.
    execution_project: Mapped[str]
    execution_domain: Mapped[str]
    execution_name: Mapped[str]
    # "email", "slack", "pager_duty" or "webhook".
    channel: Mapped[str]
    # What is slow or down as one: "email", or host and port of a webhook.
    destination: Mapped[str] = mapped_column(Text)
    # An address or a URL.
    recipient: Mapped[str] = mapped_column(Text)
    # Serialized contracts Notice.
    notice: Mapped[bytes] = mapped_column(LargeBinary)
    # Name of Notification.State.
    state: Mapped[str] = mapped_column(default="PENDING")
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    # While an attempt is under way, the time at which it counts as lost.
    next_attempt_at: Mapped[datetime]
    problem: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (
        Index("ix_notifications_due", "destination", "next_attempt_at", postgresql_where="state = 'PENDING'"),
        Index("ix_notifications_execution", "execution_project", "execution_domain", "execution_name", "id"),
    )


class CloudEventRow(Base):
    """An event that waits for the sink of CloudEvents. What the sink has is deleted.

    Rows of an execution are added under its lock, so their ids have the order of its events.
    """

    __tablename__ = "cloud_events"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    execution_project: Mapped[str]
    execution_domain: Mapped[str]
    execution_name: Mapped[str]
    # "start", "workflow", "node" or "task".
    kind: Mapped[str]
    # Serialized CloudEventExecutionStart, or the event that was reported.
    event: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
