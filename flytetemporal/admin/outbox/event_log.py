"""Events for the sink of CloudEvents, written in the transaction that accepts them.

Nothing is written unless a sink is configured. If too many wait, further ones are dropped: a sink that is down must not
fill the disk of the database, and runs do not wait for it.
"""

import time
from collections.abc import Sequence
from typing import TypeAlias
from weakref import WeakKeyDictionary

import structlog
from flyteidl.event import cloudevents_pb2, event_pb2
from prometheus_client import Counter
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base.outbox_rows import CloudEventRow
from flytetemporal.config.events import EventSettings
from flytetemporal.idl import identifiers
from flytetemporal.idl.identifiers import ExecutionKey

AnyEvent: TypeAlias = (
    cloudevents_pb2.CloudEventExecutionStart
    | event_pb2.WorkflowExecutionEvent
    | event_pb2.NodeExecutionEvent
    | event_pb2.TaskExecutionEvent
)
# How old the count of waiting events may be. In this time the bound can be exceeded.
COUNT_SECONDS = 5.0
DROPPED = Counter("flytetemporal_cloud_events_dropped", "Events that were not recorded, because too many wait.")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
# By the engine of the database: when the events that wait were counted, and how many there were.
_counted: "WeakKeyDictionary[object, tuple[float, int]]" = WeakKeyDictionary()


async def record(session: AsyncSession, settings: EventSettings, events: Sequence[AnyEvent]) -> None:
    """Add events for the sink. The caller holds the locks of their executions, or creates them."""
    if not settings.sink or not events:
        return
    chosen = [(kind, key, event) for event in events for kind, key in [_about(event)] if kind in settings.types]
    if not chosen:
        return
    if await _waiting(session) >= settings.max_waiting:
        DROPPED.inc(len(chosen))
        _log.warning("cloud_events_dropped", events=len(chosen), limit=settings.max_waiting)
        return
    rows = [
        {
            "execution_project": project,
            "execution_domain": domain,
            "execution_name": name,
            "kind": kind,
            "event": event.SerializeToString(),
        }
        for kind, (project, domain, name), event in chosen
    ]
    await session.execute(insert(CloudEventRow), rows)


def _about(event: AnyEvent) -> tuple[str, ExecutionKey]:
    """Return the kind of an event, and the key of its execution."""
    if isinstance(event, cloudevents_pb2.CloudEventExecutionStart):
        return "start", identifiers.execution_key(event.execution_id)
    if isinstance(event, event_pb2.WorkflowExecutionEvent):
        return "workflow", identifiers.execution_key(event.execution_id)
    if isinstance(event, event_pb2.NodeExecutionEvent):
        return "node", identifiers.execution_key(event.id.execution_id)
    return "task", identifiers.execution_key(event.parent_node_execution_id.execution_id)


async def _waiting(session: AsyncSession) -> int:
    """Return about how many events wait: the span of their row numbers, which an index gives at once."""
    engine = session.get_bind()
    at, count = _counted.get(engine, (0.0, 0))
    if not at or time.monotonic() - at > COUNT_SECONDS:
        row = CloudEventRow
        first, last = (await session.execute(select(func.min(row.id), func.max(row.id)))).one()
        count = (last or 0) - (first or 1) + 1  # None in an empty table.
        _counted[engine] = time.monotonic(), count
    return count
