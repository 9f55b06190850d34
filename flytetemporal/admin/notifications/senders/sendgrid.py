"""Emails through SendGrid's API: POST /v3/mail/send."""

from flytetemporal.admin.notifications.senders.protocol import DELIVERY_HEADER, Email
from flytetemporal.admin.outbox.http import HttpPoster
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.errors import InvalidRequest, QuotaExceeded, Unavailable

# Flyte's.
FROM_NAME = "Flyte Notifications"


class SendGridTransport:
    """Sends each email as a request."""

    def __init__(self, settings: NotificationSettings, http: HttpPoster) -> None:
        self._url = f"{settings.sendgrid_url.rstrip('/')}/v3/mail/send"
        self._key = settings.sendgrid_api_key
        self._http = http

    async def send(self, email: Email) -> None:
        """Send an email to its only recipient."""
        answer = await self._http.post(
            self._url,
            "SendGrid",
            headers={"Authorization": f"Bearer {self._key.get_secret_value()}"},
            json={
                "personalizations": [{"to": [{"email": email.recipient}]}],
                "from": {"email": email.sender, "name": FROM_NAME},
                "subject": email.subject,
                "content": [{"type": "text/html", "value": email.body}],
                "headers": {DELIVERY_HEADER: email.delivery_id, "Message-ID": email.message_id},
            },
        )
        match answer.status:
            case 200 | 202:
                return
            case 400 | 413:
                raise InvalidRequest(f"SendGrid refuses the email: {answer.remark}")
            case 429:
                raise QuotaExceeded(f"SendGrid asks to wait: {answer.remark}")
            case _:
                raise Unavailable(f"SendGrid does not take emails: {answer.remark}")
