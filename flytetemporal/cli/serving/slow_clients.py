"""HTTP/1.1 with time limits for clients: uvicorn waits for ever for headers, and for a client to read an answer.

The body of a request has its own limit, in ``rpc/bodies``.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from flytetemporal.rpc.callers import CERTIFICATE_STATE

# As uvicorn answers what it cannot parse: plain text, since no request was read that could name another form.
_TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
    b"The headers did not arrive in time."
)


class TimedProtocol(H11Protocol):
    """A connection that ends if headers do not arrive in ``seconds``, or if nothing of an answer is read for that time.

    A connection without a request after an answer ends after uvicorn's own, shorter limit.
    """

    seconds: float

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._headers_due: asyncio.TimerHandle | None = None
        self._reading_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Note the certificate of the client, and start to wait for the headers of the first request."""
        super().connection_made(transport)
        if (encrypted := transport.get_extra_info("ssl_object")) is not None:
            # uvicorn copies this state into the scope of each request of the connection.
            self.app_state = {**self.app_state, CERTIFICATE_STATE: encrypted.getpeercert(binary_form=True)}
        self._expect()

    def data_received(self, data: bytes) -> None:
        """Pass on what the client sends; a part of the headers does not extend the time for them."""
        super().data_received(data)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        _cancel(self._headers_due)
        _cancel(self._reading_due)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch from now on whether the client reads: the buffer of the connection is full."""
        super().pause_writing()
        _cancel(self._reading_due)
        self._watch_reading(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Stop watching: the client has read most of the buffer."""
        super().resume_writing()
        _cancel(self._reading_due)

    def _expect(self) -> None:
        # Between two requests the type of ``cycle`` is that of the last one.
        cycle = cast(Any, self.cycle)
        if cycle is not None and not cycle.response_complete:
            _cancel(self._headers_due)
            self._headers_due = None
        elif self._headers_due is None:
            self._headers_due = self.loop.call_later(self.seconds, self._give_up)

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()

    def _watch_reading(self, unread_bytes: int) -> None:
        self._reading_due = self.loop.call_later(self.seconds, self._check_reading, unread_bytes)

    def _check_reading(self, unread_bytes: int) -> None:
        """Hang up if the client has read nothing since; closing would wait for it to read."""
        left = self.transport.get_write_buffer_size()
        if left >= unread_bytes:
            self.transport.abort()
        else:
            self._watch_reading(left)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
