"""The gRPC client with which workers call admin."""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

import grpc
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, signal_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message

from flytetemporal import errors
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.rpc import status

RECORD_EVENTS = "/flytetemporal.v1.EventService/RecordEvents"
GET_LAUNCH_PLAN = "/flyteidl.service.AdminService/GetLaunchPlan"
CREATE_EXECUTION = "/flyteidl.service.AdminService/CreateExecution"
GET_EXECUTION = "/flyteidl.service.AdminService/GetExecution"
TERMINATE_EXECUTION = "/flyteidl.service.AdminService/TerminateExecution"
GET_OR_CREATE_SIGNAL = "/flyteidl.service.SignalService/GetOrCreateSignal"
# Admin accepts larger messages, but a batch is one transaction, and shorter transactions hold locks for less time.
BATCH_BYTES = 3 * 1024 * 1024
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


class AdminClient:
    """Client of admin; each event loop needs its own, because grpc.aio channels are bound to one."""

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint, options=OPTIONS)
        self._record = self._method(RECORD_EVENTS, events_pb2.RecordEventsResponse)
        self._signal = self._method(GET_OR_CREATE_SIGNAL, signal_pb2.Signal)
        self._launch_plan = self._method(GET_LAUNCH_PLAN, launch_plan_pb2.LaunchPlan)
        self._create = self._method(CREATE_EXECUTION, execution_pb2.ExecutionCreateResponse)
        self._execution = self._method(GET_EXECUTION, execution_pb2.Execution)
        self._terminate = self._method(TERMINATE_EXECUTION, execution_pb2.ExecutionTerminateResponse)

    def _method(self, path: str, response: type[R]) -> Callable[[Message], Awaitable[R]]:
        call = self._channel.unary_unary(
            path, request_serializer=_serialized, response_deserializer=response.FromString
        )

        async def method(request: Message) -> R:
            try:
                answer: R = await call(request, timeout=TIMEOUT_SECONDS)
            except grpc.aio.AioRpcError as e:
                raise _error(e) from e
            return answer

        return method

    async def record_events(self, events: Sequence[events_pb2.Event]) -> None:
        """Send events of one execution, oldest first; sending them again changes nothing.

        Raises:
            NotFound: admin does not know the execution.
            Unavailable: admin does not answer.
        """
        for batch in _batches(events):
            await self._record(events_pb2.RecordEventsRequest(events=batch))

    async def get_or_create_signal(self, request: signal_pb2.SignalGetOrCreateRequest) -> signal_pb2.Signal:
        """Return a signal; create it with the given type if it does not exist.

        Raises:
            Unavailable: admin does not answer.
        """
        return await self._signal(request)

    async def get_launch_plan(self, identifier: identifier_pb2.Identifier) -> launch_plan_pb2.LaunchPlan:
        """Return a launch plan.

        Raises:
            NotFound: it does not exist.
            Unavailable: admin does not answer.
        """
        return await self._launch_plan(common_pb2.ObjectGetRequest(id=identifier))

    async def create_execution(self, request: execution_pb2.ExecutionCreateRequest) -> None:
        """Launch an execution.

        Raises:
            AlreadyExists: an execution of this name was launched before.
            FlyteError: it cannot be launched, at the moment (``Unavailable``) or at all.
        """
        await self._create(request)

    async def get_execution(self, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.Execution:
        """Return an execution.

        Raises:
            NotFound: it does not exist.
            Unavailable: admin does not answer.
        """
        return await self._execution(execution_pb2.WorkflowExecutionGetRequest(id=identifier))

    async def terminate_execution(self, request: execution_pb2.ExecutionTerminateRequest) -> None:
        """Abort an execution.

        Raises:
            NotFound: it does not exist.
            FailedPrecondition: it has ended.
            Unavailable: admin does not answer.
        """
        await self._terminate(request)

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


def _batches(events: Sequence[events_pb2.Event]) -> Iterator[list[events_pb2.Event]]:
    batch: list[events_pb2.Event] = []
    size = 0
    for event in events:
        size += event.ByteSize()
        if batch and size > BATCH_BYTES:
            yield batch
            batch, size = [], event.ByteSize()
        batch.append(event)
    if batch:
        yield batch
