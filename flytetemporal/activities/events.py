"""Tell admin what happened: the activity behind the workflow's event pump, and delivery from within a running task."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from temporalio import activity

from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.errors import NotFound
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

CONCURRENT_WRITES = 32


class EventSink(Protocol):
    """Where events go: admin's client, or a list in a test."""

    async def record_events(self, events: Sequence[events_pb2.Event]) -> None:
        """Deliver events of one execution, oldest first; delivering them again changes nothing.

        Raises:
            NotFound: the execution does not exist.
            Unavailable: not now.
        """


class ExecutionNotFound(NotFound):
    """Admin does not know the execution: nobody will read what it reports."""


class EventActivities:
    """``record_events`` of ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, sink: EventSink) -> None:
        self._blobs = blobs
        self._sink = sink

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.record_events]

    @activity.defn
    async def record_events(self, report: execution_pb2.Report) -> None:
        """Write the files of pure nodes, then tell admin what happened."""
        await for_each(lambda file: self._blobs.write_message(file.uri, file.literals), report.files, CONCURRENT_WRITES)
        await send(self._sink, report.events)


async def send(sink: EventSink, events: Sequence[events_pb2.Event]) -> None:
    """Deliver once.

    Raises:
        ExecutionNotFound: admin does not know the execution.
        Unavailable: admin does not answer.
    """
    if not events:
        return
    try:
        await sink.record_events(events)
    except NotFound as e:
        raise ExecutionNotFound(e.message) from e
