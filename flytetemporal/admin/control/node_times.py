"""When each node of an execution was queued, dispatched, started, running, ended and reported, and what was paused.

Rows know when a node was ready, ran and ended; only Temporal's history knows when its activity was scheduled, and when
a worker took it. ``flytetemporal metrics`` shows the times; Flyte's API has no place for them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flyteidl.admin import node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2
from google.protobuf import timestamp_pb2
from sqlalchemy import select

from flytetemporal import errors
from flytetemporal.admin.base import execution_lookup, execution_rows
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import NodeExecutionRow, TaskExecutionRow
from flytetemporal.admin.control import pause_times
from flytetemporal.admin.events import event_rows
from flytetemporal.contracts.v1 import records_pb2
from flytetemporal.idl import naming, phases, times

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
# The answer to one call: what is beyond is left out, and a note says so.
ROWS = 10_000
EVENTS = 50_000

_SCHEDULED = "activity_task_scheduled_event_attributes"
_STARTED = "activity_task_started_event_attributes"
_CONTINUED = "workflow_execution_continued_as_new_event_attributes"
_SHARD_STARTED = "start_child_workflow_execution_initiated_event_attributes"
_CLOSED = tuple(f"activity_task_{end}_event_attributes" for end in ("completed", "failed", "timed_out", "canceled"))


@dataclass(slots=True)
class _Recorded:
    """What rows and history know of an execution."""

    nodes: Mapping[str, event_rows.NodeState]
    tasks: Mapping[event_rows.TaskKey, event_rows.TaskState]
    # When a row was last written, by node id, and by node id and attempt.
    nodes_written: dict[str, datetime]
    tasks_written: dict[tuple[str, int], datetime]
    # When an activity was scheduled, and when a worker took it, by activity id.
    scheduled: dict[str, timestamp_pb2.Timestamp] = field(default_factory=dict)
    started: dict[str, timestamp_pb2.Timestamp] = field(default_factory=dict)
    closed: dict[str, timestamp_pb2.Timestamp] = field(default_factory=dict)
    # By the id of the event that scheduled the activity, within one run.
    activity_ids: dict[int, str] = field(default_factory=dict)
    # The workflows of shards of large map tasks.
    shards: list[str] = field(default_factory=list)


async def get_node_times(deps: Dependencies, request: records_pb2.NodeTimesRequest) -> records_pb2.NodeTimesResponse:
    """Return the times of the nodes and of their attempts, in the order in which they were queued, and of pauses.

    Raises:
        NotFound: the execution does not exist.
    """
    execution_lookup.check_execution_id(request.execution_id, given=request.HasField("execution_id"))
    recorded = await _load(deps, request.execution_id)
    response = records_pb2.NodeTimesResponse()
    if note := await _add_activities(deps, request.execution_id, recorded, with_shards=request.elements):
        response.notes.append(note)
    rows = [*_attempts(recorded), *_nodes_without_attempts(recorded)]
    if request.elements:
        rows += _elements(recorded)
    rows.sort(key=lambda row: (_began(row).ToNanoseconds(), row.node_id, row.element, row.attempt))
    if len(rows) > ROWS:
        response.notes.append(f"only {ROWS} of {len(rows)} nodes and attempts are listed")
    response.nodes.extend(rows[:ROWS])
    async with deps.sessions() as session:
        response.pauses.extend(await pause_times.read(session, request.execution_id))
    return response


async def _load(deps: Dependencies, execution_id: ExecutionId) -> _Recorded:
    node, task = NodeExecutionRow, TaskExecutionRow
    async with deps.sessions() as session:
        await execution_lookup.execution(session, execution_id)
        of_node = select(node.node_id, node.updated_at).where(execution_rows.of_execution(node, execution_id))
        of_task = select(task.node_id, task.retry_attempt, task.updated_at).where(
            execution_rows.of_execution(task, execution_id)
        )
        return _Recorded(
            nodes=await event_rows.load_nodes(session, execution_id),
            tasks=await event_rows.load_tasks(session, execution_id),
            nodes_written={found.node_id: found.updated_at for found in await session.execute(of_node)},
            tasks_written={
                (found.node_id, found.retry_attempt): found.updated_at for found in await session.execute(of_task)
            },
        )


async def _add_activities(
    deps: Dependencies, execution_id: ExecutionId, recorded: _Recorded, *, with_shards: bool
) -> str:
    """Add what the history says of activities; return why that is not everything, or nothing."""
    pending, read = [naming.temporal_workflow_id(execution_id)], 0
    try:
        while pending and read < EVENTS:
            read, is_whole = await _add_history(deps, execution_id, pending.pop(0), recorded, read)
            if not is_whole:
                break
            pending += recorded.shards if with_shards else []
            recorded.shards.clear()
        else:
            return "" if not pending else f"only the first {read} events of the history were read"
    except errors.NotFound:
        return "Temporal has no history of it, or no longer: when attempts were dispatched and started is unknown"
    except errors.Unavailable as e:
        return f"when attempts were dispatched and started is unknown now, try again: {e.message}"
    return f"only the first {read} events of the history were read"


async def _add_history(
    deps: Dependencies, execution_id: ExecutionId, workflow_id: str, recorded: _Recorded, read: int
) -> tuple[int, bool]:
    """Add all runs of a workflow; return the number of events read so far, and whether these were all."""
    histories = deps.engine.histories
    run_id, token = await histories.first_run(execution_id, workflow_id), b""
    while run_id and read < EVENTS:
        history, token = await histories.page(execution_id, workflow_id, run_id, token)
        read += len(history.events)
        next_run = _add_events(history.events, recorded)
        if not token:
            run_id = next_run
            recorded.activity_ids.clear()
    return read, not run_id


def _add_events(events: Iterable[Any], recorded: _Recorded) -> str:
    """Add when activities were scheduled, taken and closed; return the id of the next run if they end with it."""
    for event in events:
        attributes = event.WhichOneof("attributes")
        if attributes == _SCHEDULED:
            activity_id = event.activity_task_scheduled_event_attributes.activity_id
            recorded.activity_ids[event.event_id] = activity_id
            recorded.scheduled[activity_id] = event.event_time
        elif attributes == _STARTED or attributes in _CLOSED:
            scheduled_by = getattr(event, attributes).scheduled_event_id
            moments = recorded.started if attributes == _STARTED else recorded.closed
            moments[recorded.activity_ids.get(scheduled_by, "")] = event.event_time
        elif attributes == _SHARD_STARTED:
            recorded.shards.append(event.start_child_workflow_execution_initiated_event_attributes.workflow_id)
        elif attributes == _CONTINUED:
            return str(event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id)
    return ""


def _attempts(recorded: _Recorded) -> Iterator[records_pb2.NodeTimes]:
    ended: dict[str, timestamp_pb2.Timestamp] = {}
    for state in sorted(recorded.tasks.values(), key=lambda state: state.execution.id.retry_attempt):
        attempt = state.execution
        node_id, number = attempt.id.node_execution_id.node_id, attempt.id.retry_attempt
        row = _row(node_id, attempt.closure, ended=attempt.closure.phase in phases.TASK_TERMINAL)
        row.attempt = number
        # The first event of an attempt comes when it runs, so it cannot say since when the attempt was queued.
        if node_id in ended:
            row.queued.CopyFrom(ended[node_id])
        elif node_id in recorded.nodes:
            row.queued.CopyFrom(recorded.nodes[node_id].execution.closure.created_at)
        activity_id = f"{node_id}/{number}"
        if activity_id in recorded.scheduled:
            row.dispatched.CopyFrom(recorded.scheduled[activity_id])
        if activity_id in recorded.started:
            row.started.CopyFrom(recorded.started[activity_id])
        if written := recorded.tasks_written.get((node_id, number)):
            row.reported.CopyFrom(times.timestamp(written))
        ended[node_id] = row.ended
        yield row


def _elements(recorded: _Recorded) -> Iterator[records_pb2.NodeTimes]:
    """Yield the attempts of elements of map tasks that had an activity of their own."""
    for state in recorded.tasks.values():
        node_id, array_attempt = state.execution.id.node_execution_id.node_id, state.execution.id.retry_attempt
        for resource in state.execution.closure.metadata.external_resources:
            path = naming.node_path(f"n{resource.index}", node_id, array_attempt)
            activity_id = f"{naming.node_id(path, naming.UNIQUE_HASH_BITS)}/{resource.retry_attempt}"
            if activity_id not in recorded.scheduled:
                continue
            yield records_pb2.NodeTimes(
                node_id=node_id,
                element=resource.index,
                attempt=resource.retry_attempt,
                dispatched=recorded.scheduled[activity_id],
                running=recorded.started.get(activity_id),
                ended=recorded.closed.get(activity_id),
            )


def _began(row: records_pb2.NodeTimes) -> timestamp_pb2.Timestamp:
    return row.dispatched if row.HasField("element") else row.queued


def _nodes_without_attempts(recorded: _Recorded) -> Iterator[records_pb2.NodeTimes]:
    with_attempts = {node_id for node_id, _, _ in recorded.tasks}
    for node_id, state in recorded.nodes.items():
        if node_id in with_attempts or state.execution.closure.phase == phases.N.UNDEFINED:
            continue
        row = _row(node_id, state.execution.closure, ended=state.execution.closure.phase in phases.NODE_TERMINAL)
        if written := recorded.nodes_written.get(node_id):
            row.reported.CopyFrom(times.timestamp(written))
        yield row


def _row(
    node_id: str,
    closure: node_execution_pb2.NodeExecutionClosure | task_execution_pb2.TaskExecutionClosure,
    *,
    ended: bool,
) -> records_pb2.NodeTimes:
    row = records_pb2.NodeTimes(node_id=node_id, queued=closure.created_at)
    if closure.HasField("started_at"):
        row.running.CopyFrom(closure.started_at)
    if ended and closure.HasField("started_at") and closure.HasField("duration"):
        row.ended.CopyFrom(times.timestamp(times.moment(closure.started_at) + closure.duration.ToTimedelta()))
    elif ended:
        row.ended.CopyFrom(closure.updated_at)
    return row
