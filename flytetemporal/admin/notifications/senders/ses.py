"""Emails through Amazon SES: the operation SendEmail of its API, version 2."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from flytetemporal.admin.notifications.senders.protocol import DELIVERY_HEADER, Email
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.errors import FlyteError, InvalidRequest, QuotaExceeded, Unavailable

_REFUSED = ("BadRequestException", "MessageRejected")
_LATER = ("TooManyRequestsException", "LimitExceededException")


class SesTransport:
    """Sends each email as a request."""

    def __init__(self, settings: NotificationSettings, client: Any) -> None:
        self._seconds = settings.timeout.total_seconds()
        self._client = client

    async def send(self, email: Email) -> None:
        """Send an email to its only recipient."""
        try:
            async with asyncio.timeout(self._seconds):
                await self._client.send_email(
                    FromEmailAddress=email.sender,
                    Destination={"ToAddresses": [email.recipient]},
                    Content={
                        "Simple": {
                            "Subject": {"Data": email.subject, "Charset": "UTF-8"},
                            "Body": {"Html": {"Data": email.body, "Charset": "UTF-8"}},
                            "Headers": [{"Name": DELIVERY_HEADER, "Value": email.delivery_id}],
                        }
                    },
                )
        except TimeoutError as e:
            raise Unavailable(f"Amazon SES took longer than {self._seconds:g} s") from e
        except ClientError as e:
            raise _problem(e) from e
        except (BotoCoreError, OSError) as e:
            raise Unavailable(f"Amazon SES cannot be reached: {e}") from e


@contextlib.asynccontextmanager
async def transport(settings: NotificationSettings) -> AsyncIterator[SesTransport]:
    """Connect to SES while the context is open."""
    config = AioConfig(
        connect_timeout=settings.timeout.total_seconds(),
        read_timeout=settings.timeout.total_seconds(),
        # Our own pauses between attempts are longer.
        retries={"total_max_attempts": 1},
    )
    endpoint = settings.ses_endpoint or None
    async with get_session().create_client(
        "sesv2", region_name=settings.ses_region, endpoint_url=endpoint, config=config
    ) as client:
        yield SesTransport(settings, client)


def _problem(error: ClientError) -> FlyteError:
    said = error.response.get("Error", {})
    code, text = str(said.get("Code", "")), f"{said.get('Code', '')} {said.get('Message', '')}".strip()
    if code in _REFUSED:
        return InvalidRequest(f"Amazon SES refuses the email: {text}")
    if code in _LATER:
        return QuotaExceeded(f"Amazon SES asks to wait: {text}")
    return Unavailable(f"Amazon SES does not take emails: {text}")
