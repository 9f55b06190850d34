"""Send events to admin: the activity of the workflow's reports, and the call for running tasks."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from temporalio import activity

from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.errors import NotFound
from flytetemporal.idl import times
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.concurrency import for_each

CONCURRENT_WRITES = 32


class EventSink(Protocol):
    """The receiver of events: admin's client, or a list in a test."""

    async def record_events(self, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
        """Deliver events of one execution, oldest first; delivering them again changes nothing.

        Raises:
            NotFound: the execution does not exist.
            FailedPrecondition: they end it, are ``tentative``, and an abort or a pause is on its way.
            Unavailable: admin does not answer.
        """


class ExecutionNotFound(NotFound):
    """An execution that admin does not know. Its reports have no reader."""


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
        """Write the files of nodes without an activity, then send the events to admin."""
        await for_each(lambda file: self._blobs.write_message(file.uri, file.literals), report.files, CONCURRENT_WRITES)
        # Temporal repeats a workflow task that ends a run if a signal or an abort arrives meanwhile, and its local
        # activities with it; the run can then end otherwise.
        await send(self._sink, dated(report), tentative=activity.info().is_local)


def dated(report: execution_pb2.Report) -> Sequence[events_pb2.Event]:
    """Add to each event's time the delay that was measured when it was made."""
    for event, delay in zip(report.events, report.event_delays, strict=False):  # Older runs send no delays.
        occurred_at = getattr(event, event.WhichOneof("event") or "node").occurred_at
        occurred_at.CopyFrom(times.timestamp(times.moment(occurred_at) + timedelta(microseconds=delay)))
    return report.events


async def send(sink: EventSink, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
    """Deliver events, without a retry.

    Raises:
        ExecutionNotFound: admin does not know the execution.
        FailedPrecondition: see ``EventSink``.
        Unavailable: admin does not answer.
    """
    if not events:
        return
    try:
        await sink.record_events(events, tentative=tentative)
    except NotFound as e:
        raise ExecutionNotFound(e.message) from e
