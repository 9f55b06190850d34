"""Read the bodies of HTTP requests within limits of size and time, and decode them by their content type."""

import asyncio
from datetime import timedelta

import grpc
from google.protobuf.message import Message
from google.rpc import status_pb2
from starlette.requests import ClientDisconnect, Request

from flytetemporal.rpc import invocation, json_form

PROTOBUF = "application/octet-stream"
JSON = "application/json"
# A megabyte of JSON takes about 100 ms to parse: larger bodies are parsed in a thread, off the event loop.
MAX_PARSED_INLINE_BYTES = 64 * 1024
# Enough for any length; Python refuses to convert thousands of digits.
_LENGTH_DIGITS = 20


class Unreadable(Exception):
    """A body that cannot be read; carries the status for the client."""

    def __init__(self, code: grpc.StatusCode, http_status: int, text: str) -> None:
        super().__init__(text)
        self.status = status_pb2.Status(code=code.value[0], message=text)
        self.http_status = http_status


class Bodies:
    """Reads bodies of at most ``limit_bytes``, for at most ``timeout``."""

    def __init__(
        self, limit_bytes: int, timeout: timedelta, setting: str = "FLYTETEMPORAL_ADMIN__MAX_MESSAGE_BYTES"
    ) -> None:
        """``setting`` is the one that sets the limit, for the text of the refusal."""
        self._limit_bytes = limit_bytes
        self._timeout = timeout
        self._setting = setting

    async def read(self, request: Request, target: Message) -> None:
        """Merge the body into ``target``; an empty body is an empty message.

        Raises:
            Unreadable: it is too large or too slow, or its content type is neither JSON nor protobuf.
            InvalidRequest: it does not parse.
        """
        body = await self.receive(request)
        if not body:
            return
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type not in (JSON, PROTOBUF):
            # Browsers send text/plain, forms and untyped bodies to other origins without a preflight: refuse these.
            text = f"content type [{content_type[:100]}] is not understood: send {JSON} or {PROTOBUF}"
            raise Unreadable(grpc.StatusCode.INVALID_ARGUMENT, 415, text)
        if len(body) > MAX_PARSED_INLINE_BYTES:
            await asyncio.to_thread(_decode, body, target, content_type)
        else:
            _decode(body, target, content_type)

    async def receive(self, request: Request) -> bytes:
        """Return the body as it was sent. Raises ``Unreadable`` if it is too large or too slow."""
        # A server accepts only decimal digits here.
        if int(request.headers.get("content-length", "0")[:_LENGTH_DIGITS]) > self._limit_bytes:
            raise self._too_large()
        received = bytearray()
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                async for chunk in request.stream():
                    received += chunk
                    if len(received) > self._limit_bytes:
                        raise self._too_large()
        except TimeoutError as e:
            text = f"the body did not arrive within {self._timeout.total_seconds():g} s"
            raise Unreadable(grpc.StatusCode.DEADLINE_EXCEEDED, 408, text) from e
        except ClientDisconnect as e:
            raise Unreadable(grpc.StatusCode.CANCELLED, 499, "the client hung up") from e
        return bytes(received)

    def _too_large(self) -> Unreadable:
        text = f"the body has more than {self._limit_bytes} bytes ({self._setting})"
        return Unreadable(grpc.StatusCode.RESOURCE_EXHAUSTED, 413, text)


def _decode(body: bytes, target: Message, content_type: str) -> None:
    if content_type == PROTOBUF:
        invocation.merge_binary(body, target, "body")
    else:
        json_form.parse(body, target)
