"""Emails over SMTP, with STARTTLS or TLS and a login."""

import asyncio
import contextlib
import socket
import ssl
from email.message import EmailMessage

import aiosmtplib

from flytetemporal.admin.notifications.senders.protocol import DELIVERY_HEADER, Email
from flytetemporal.config.notifications import NotificationSettings
from flytetemporal.errors import FlyteError, InvalidRequest, QuotaExceeded, Unavailable

# The server has the email when it is asked to hang up, so its answer matters little.
QUIT_SECONDS = 2.0


class SmtpTransport:
    """Sends each email over a connection of its own, so that nothing is left of one that failed."""

    def __init__(self, settings: NotificationSettings, tls: ssl.SSLContext) -> None:
        self._settings = settings
        self._tls = tls
        self._place = f"the SMTP server {settings.smtp_host}:{settings.smtp_port}"

    async def send(self, email: Email) -> None:
        """Send an email to its only recipient."""
        message = _message(email)
        client = self._client()
        try:
            async with asyncio.timeout(self._settings.timeout.total_seconds()):
                await client.connect()
                await self._send(client, message, email)
        except TimeoutError as e:  # aiosmtplib's are TimeoutErrors, too.
            raise Unavailable(f"{self._place} took longer than {self._settings.timeout.total_seconds():g} s") from e
        except aiosmtplib.SMTPException as e:
            raise self._problem(e) from e
        except (OSError, ValueError) as e:  # ValueError: a certificate that does not fit the host, before a handshake.
            raise Unavailable(f"{self._place} cannot be reached: {e}") from e
        else:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(QUIT_SECONDS):
                    await client.quit()
        finally:
            client.close()

    async def _send(self, client: aiosmtplib.SMTP, message: EmailMessage, email: Email) -> None:
        try:
            await client.send_message(message, sender=email.sender, recipients=[email.recipient])
        except (ValueError, aiosmtplib.SMTPNotSupported) as e:
            # The address has characters that SMTP, or this server, does not know. The server is not down.
            raise InvalidRequest(f"{email.recipient!r} is not an address that {self._place} takes: {e}") from e

    def _client(self) -> aiosmtplib.SMTP:
        settings = self._settings
        return aiosmtplib.SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port,
            # Without a name aiosmtplib asks DNS for one and blocks.
            local_hostname=socket.gethostname(),
            username=settings.smtp_username or None,
            password=settings.smtp_password.get_secret_value() or None,
            timeout=settings.timeout.total_seconds(),
            use_tls=settings.smtp_security == "tls",
            # True, and not None: a server that does not offer it would get the password as plain text.
            start_tls=settings.smtp_security == "starttls",
            tls_context=self._tls if settings.smtp_security != "none" else None,
        )

    def _problem(self, error: aiosmtplib.SMTPException) -> FlyteError:
        refused = error.recipients[0] if isinstance(error, aiosmtplib.SMTPRecipientsRefused) else error
        if isinstance(refused, (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError)):
            said = f"{self._place} refuses the email: {refused.code} {refused.message}"
            # Codes from 500 on are final; those from 400 on can pass, as in greylisting.
            return InvalidRequest(said) if refused.code >= 500 else QuotaExceeded(said)
        return Unavailable(f"{self._place} does not take emails: {error.message}")


def _message(email: Email) -> EmailMessage:
    """Return the email in the form of SMTP. Raises ``InvalidRequest`` if its recipient cannot be in a header."""
    message = EmailMessage()
    try:
        message["From"], message["To"], message["Subject"] = email.sender, email.recipient, email.subject
    except (ValueError, IndexError) as e:  # The parser of headers raises both for what is no address.
        raise InvalidRequest(f"{email.recipient!r} is not an address: {e}") from e
    message["Message-ID"] = email.message_id
    message[DELIVERY_HEADER] = email.delivery_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(email.body, subtype="html")
    return message
