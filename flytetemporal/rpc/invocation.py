"""Invoke a method the same way for gRPC and HTTP: log context, metrics, checks, sign-in, errors."""

import asyncio
import time

import grpc
import structlog
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from prometheus_client import Counter, Histogram

from flytetemporal.errors import FlyteError, Internal, InvalidRequest
from flytetemporal.idl import bounds
from flytetemporal.rpc import status
from flytetemporal.rpc.callers import Guard, Presented
from flytetemporal.rpc.methods import Method

# Checking a message of this size takes a few milliseconds of the event loop.
MAX_CHECKED_INLINE_BYTES = 64 * 1024

log = structlog.stdlib.get_logger(__name__)

CALLS = Counter(
    "flytetemporal_rpc_calls_total", "Calls by transport, method and code.", ["transport", "method", "code"]
)
SECONDS = Histogram("flytetemporal_rpc_seconds", "Seconds of a call by method.", ["method"])


def refusal(transport: str, error: Exception) -> status_pb2.Status:
    """Return the answer to a call that failed outside of its method: it is counted and logged like all others."""
    CALLS.labels(transport, "", status.code(error).name).inc()
    if not isinstance(error, FlyteError) or isinstance(error, Internal):
        log.error("call_failed", transport=transport, exc_info=error)
    return status.status(error)


class Refused(Exception):
    """A call that ends with a status other than OK; ``answer`` is that status."""

    def __init__(self, answer: status_pb2.Status) -> None:
        super().__init__(answer.message)
        self.answer = answer


async def _check(request: Message) -> None:
    """Check the bounds of a request; large messages are checked in a thread, off the event loop."""
    if request.ByteSize() > MAX_CHECKED_INLINE_BYTES:
        await asyncio.to_thread(bounds.check, request)
    else:
        bounds.check(request)


async def invoke(method: Method, request: Message, presented: Presented, guard: Guard) -> Message:
    """Run a method's handler if the guard admits the call.

    Raises:
        Refused: the handler failed; carries the status for the client, which is never UNKNOWN.
    """
    started = time.perf_counter()
    code = grpc.StatusCode.OK.name
    with structlog.contextvars.bound_contextvars(method=method.name):
        try:
            await _check(request)
            async with guard.admitting(method, request, presented) as answered:
                response = await method.handler(request)
                answered(response)
                return response
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED.name
            raise
        except Exception as e:
            code = status.code(e).name
            if not isinstance(e, FlyteError) or isinstance(e, Internal):
                log.exception("call_failed", transport=presented.transport, request_id=presented.request_id)
            raise Refused(status.status(e)) from e
        finally:
            CALLS.labels(presented.transport, method.name, code).inc()
            SECONDS.labels(method.name).observe(time.perf_counter() - started)


def merge_binary(data: bytes, message: Message, part: str) -> None:
    """Merge binary protobuf into ``message``; ``part`` names the data in the error.

    Raises:
        InvalidRequest: the data is not a message of this type.
    """
    try:
        message.MergeFromString(data)
    except DecodeError as e:
        raise InvalidRequest(f"the {part} is not a binary {message.DESCRIPTOR.full_name}") from e
