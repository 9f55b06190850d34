"""The senders that the settings choose, by the channel of a notification."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping

from flytetemporal.admin.notifications.senders import ses
from flytetemporal.admin.notifications.senders.emails import EmailSender
from flytetemporal.admin.notifications.senders.protocol import EmailTransport, Sender
from flytetemporal.admin.notifications.senders.sendgrid import SendGridTransport
from flytetemporal.admin.notifications.senders.smtp import SmtpTransport
from flytetemporal.admin.notifications.senders.webhooks import WebhookSender
from flytetemporal.admin.outbox.http import HttpPoster
from flytetemporal.config.notifications import NotificationSettings

EMAIL_CHANNELS = ("email", "slack", "pager_duty")
Senders = Mapping[str, Sender]


@contextlib.asynccontextmanager
async def senders(settings: NotificationSettings) -> AsyncIterator[Senders]:
    """Return the sender of each channel; they hold their connections while the context is open."""
    tls = ssl.create_default_context()
    if settings.ca_file:
        tls.load_verify_locations(settings.ca_file)
    async with contextlib.AsyncExitStack() as stack:
        http = HttpPoster(tls, settings.timeout.total_seconds())
        stack.push_async_callback(http.close)
        emails = EmailSender(settings, await _transport(settings, stack, tls, http))
        yield {**dict.fromkeys(EMAIL_CHANNELS, emails), "webhook": WebhookSender(settings, http)}


async def _transport(
    settings: NotificationSettings, stack: contextlib.AsyncExitStack, tls: ssl.SSLContext, http: HttpPoster
) -> EmailTransport | None:
    match settings.sender:
        case "smtp":
            return SmtpTransport(settings, tls)
        case "ses":
            return await stack.enter_async_context(ses.transport(settings))
        case "sendgrid":
            return SendGridTransport(settings, http)
        case "":
            return None
