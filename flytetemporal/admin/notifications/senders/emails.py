"""Notifications by email; in Flyte, and so here, those to Slack and PagerDuty are emails, too."""

from email.utils import getaddresses

from flytetemporal.admin.notifications import templates
from flytetemporal.admin.notifications.senders.protocol import Delivery, Email, EmailTransport
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.contracts.v1 import notifications_pb2
from flytetemporal.errors import InvalidRequest


class EmailSender:
    """Sends notifications by email; refuses all of them without a transport."""

    def __init__(self, settings: NotificationSettings, transport: EmailTransport | None) -> None:
        self._settings = settings
        self._transport = transport

    async def send(self, delivery: Delivery) -> None:
        """Send an email to one address."""
        if self._transport is None:
            raise InvalidRequest("this installation sends no emails; set FLYTETEMPORAL_NOTIFICATIONS__SENDER")
        local, at, domain = delivery.recipient.rpartition("@")
        if not (local and at and domain) or not delivery.recipient.isprintable():
            raise InvalidRequest(f"{delivery.recipient!r} is not an address")
        if len(getaddresses([delivery.recipient])) != 1:
            # Only the first one would get the email.
            raise InvalidRequest(f"{delivery.recipient!r} is not an address but several; name each as a recipient")
        await self._transport.send(self._email(delivery))

    def _email(self, delivery: Delivery) -> Email:
        settings, notice = self._settings, delivery.notice
        if notice.HasField("execution_id"):
            subject = templates.subject(settings.subject, notice)
            body = templates.body(notice.template or settings.body, notice)
        else:
            subject, body = _test_texts(notice)
        return Email(settings.from_address, delivery.recipient, subject, body, delivery.delivery_id)


def _test_texts(notice: notifications_pb2.Notice) -> tuple[str, str]:
    asked_at = notice.occurred_at.ToJsonString()
    return "Test of notifications", f"Emails of flytetemporal arrive. This one was asked for at {asked_at}."
