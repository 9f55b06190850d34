"""The worker's client of admin."""

import contextlib
from collections.abc import Iterator, Sequence

import grpc
from flyteidl.admin import signal_pb2

from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.rpc import status

RECORD_EVENTS = "/flytetemporal.v1.EventService/RecordEvents"
GET_OR_CREATE_SIGNAL = "/flyteidl.service.SignalService/GetOrCreateSignal"
# Admin takes more, but a batch is one transaction: smaller ones let readers in between.
BATCH_BYTES = 3 * 1024 * 1024
TIMEOUT_SECONDS = 30
OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class AdminClient:
    """Speaks gRPC to admin; one an event loop."""

    def __init__(self, endpoint: str) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint, options=OPTIONS)
        self._record = self._channel.unary_unary(
            RECORD_EVENTS,
            request_serializer=events_pb2.RecordEventsRequest.SerializeToString,
            response_deserializer=events_pb2.RecordEventsResponse.FromString,
        )
        self._signal = self._channel.unary_unary(
            GET_OR_CREATE_SIGNAL,
            request_serializer=signal_pb2.SignalGetOrCreateRequest.SerializeToString,
            response_deserializer=signal_pb2.Signal.FromString,
        )

    async def record_events(self, events: Sequence[events_pb2.Event]) -> None:
        """Deliver events of one execution, oldest first; delivering them again changes nothing.

        Raises:
            NotFound: admin does not know the execution.
            Unavailable: admin does not answer.
        """
        for batch in _batches(events):
            with _translated():
                await self._record(events_pb2.RecordEventsRequest(events=batch), timeout=TIMEOUT_SECONDS)

    async def get_or_create_signal(self, request: signal_pb2.SignalGetOrCreateRequest) -> signal_pb2.Signal:
        """Return a signal, creating it with the given type when it is new.

        Raises:
            Unavailable: admin does not answer.
        """
        with _translated():
            found: signal_pb2.Signal = await self._signal(request, timeout=TIMEOUT_SECONDS)
            return found

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as e:
        raise status.error(e.code().value[0], e.details() or e.code().name) from e


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
