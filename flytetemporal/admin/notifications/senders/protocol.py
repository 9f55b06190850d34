"""What every sender does, and how it says that it could not."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flytetemporal.contracts.v1 import notifications_pb2


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver a notification. ``attempt`` starts at 1, ``at`` is the time of the attempt."""

    row: int
    delivery_id: str
    channel: str
    recipient: str
    notice: notifications_pb2.Notice
    attempt: int
    created_at: datetime
    at: datetime


class Sender(Protocol):
    """Sends one notification at a time; several calls may run at once."""

    async def send(self, delivery: Delivery) -> None:
        """Send a notification.

        Raises:
            InvalidRequest: it is refused for good.
            QuotaExceeded: this one is refused for now; others of the same destination may pass.
            Unavailable: the destination is down, slow or wrongly configured, for all that goes there.
        """


class EmailTransport(Protocol):
    """Sends emails. ``send`` raises what ``Sender.send`` raises."""

    async def send(self, email: "Email") -> None:
        """Send an email to its only recipient."""


@dataclass(frozen=True, slots=True)
class Email:
    """An email; its body is HTML."""

    sender: str
    recipient: str
    subject: str
    body: str
    delivery_id: str

    @property
    def message_id(self) -> str:
        """The Message-ID, which is the same in every attempt: mail programs show one of several copies."""
        return f"<{self.delivery_id}@{self.sender.rpartition('@')[2].strip('<> ') or 'flytetemporal'}>"


DELIVERY_HEADER = "X-Flytetemporal-Delivery"
