"""A local SMTP server that keeps the emails it gets: for the demo and the tests of a whole stack."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Caught:
    """The port of a running server, and the emails that it has got."""

    port: int = 0
    emails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        """Keep an email."""
        email = message_from_bytes(envelope.content or b"", policy=policy.default)  # type: ignore[arg-type]
        self.emails.append(email)
        return "250 OK"

    @property
    def settings(self) -> dict[str, str]:
        """The variables with which an installation sends its emails here."""
        return {
            "FLYTETEMPORAL_NOTIFICATIONS__SENDER": "smtp",
            "FLYTETEMPORAL_NOTIFICATIONS__FROM_ADDRESS": "flyte@example.com",
            "FLYTETEMPORAL_NOTIFICATIONS__SMTP_HOST": "127.0.0.1",
            "FLYTETEMPORAL_NOTIFICATIONS__SMTP_PORT": str(self.port),
            "FLYTETEMPORAL_NOTIFICATIONS__SMTP_SECURITY": "none",
        }


@contextlib.contextmanager
def catching() -> Iterator[Caught]:
    """Run a server in a thread while the context is open."""
    caught, loop = Caught(), asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(caught, loop=loop), "127.0.0.1", 0))
    caught.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield caught
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
