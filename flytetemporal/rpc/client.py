"""What the gRPC clients of workers have in common: the channel, time limits, and the translation of errors."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import Message

from flytetemporal import errors
from flytetemporal.rpc import status
from flytetemporal.rpc.callers import FLYTE_AUTHORIZATION
from flytetemporal.rpc.tls import ClientFiles

TIMEOUT_SECONDS = 30

# Part of gRPC's error for a message above the limit of its sender or receiver.
_TOO_LARGE = re.compile(r"larger than max", re.IGNORECASE)

R = TypeVar("R", bound=Message)
OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # No limit of the client's: admin decides how large launch plans and signals can be.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


def channel(endpoint: str, files: ClientFiles | None, options: Sequence[tuple[str, int]] = ()) -> grpc.aio.Channel:
    """Return a channel, with TLS if there are ``files``. Raises ``InvalidRequest`` for files that are unusable."""
    if files is None:
        return grpc.aio.insecure_channel(endpoint, options=options)
    return grpc.aio.secure_channel(endpoint, files.credentials(), options=options)


class Tokens(Protocol):
    """What a client signs in with."""

    async def header(self) -> str:
        """Return the value of the header ``authorization``. Raises ``Unavailable`` if there is none at the moment."""
        ...

    async def renewed(self, refused: str) -> str:
        """Return another value in place of one that the server has refused."""
        ...


class Client:
    """Client of a server; each event loop needs its own, because grpc.aio channels are bound to one.

    With TLS if there are ``files``, and signed in if there are ``tokens``.
    """

    def __init__(self, endpoint: str, files: ClientFiles | None = None, tokens: Tokens | None = None) -> None:
        self._channel = channel(endpoint, files, OPTIONS)
        self._tokens = tokens

    def method(self, path: str, response: type[R]) -> Callable[[Message], Awaitable[R]]:
        """Return a function that calls the method at a gRPC path; it raises the errors of this project."""
        call = self._channel.unary_unary(
            path, request_serializer=_serialized, response_deserializer=response.FromString
        )

        async def once(request: Message, authorization: str) -> R:
            metadata = [(FLYTE_AUTHORIZATION, authorization)] if authorization else None
            try:
                answer: R = await call(request, timeout=TIMEOUT_SECONDS, metadata=metadata)
            except grpc.aio.AioRpcError as e:
                raise _error(e) from e
            return answer

        async def method(request: Message) -> R:
            if self._tokens is None:
                return await once(request, "")
            authorization = await self._tokens.header()
            try:
                return await once(request, authorization)
            except errors.Unauthenticated:  # The key of its signature may have been replaced, for example.
                return await once(request, await self._tokens.renewed(authorization))

        return method

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


def _error(problem: grpc.aio.AioRpcError) -> errors.FlyteError:
    """Return the error of a failed call.

    gRPC reports a message above the size limit as RESOURCE_EXHAUSTED, like an exceeded quota, but a retry fails again.
    """
    text = problem.details() or problem.code().name
    if problem.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE.search(text):
        return errors.ValueTooLarge(f"the request or the response exceeds the message limit of admin: {text}")
    return status.error(problem.code().value[0], text)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
