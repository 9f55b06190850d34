"""Recorded events as CloudEvents, with the types and messages of Flyte (version 2 of its events).

Mirrors flyteadmin's pkg/async/cloudevent/implementations/cloudevent_publisher.go, but for ids, which are unique here:
Flyte gives all events of a task in one phase the same one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from flyteidl.admin import execution_pb2
from flyteidl.core import interface_pb2
from flyteidl.event import cloudevents_pb2, event_pb2
from google.protobuf import json_format
from google.protobuf.message import Message
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.base import execution_rows, stored_messages
from flytetemporal.admin.base.models import ExecutionRow, WorkflowRow
from flytetemporal.admin.base.outbox_rows import CloudEventRow
from flytetemporal.admin.cloud_events.sinks.protocol import CloudEvent
from flytetemporal.config.events import EventSettings
from flytetemporal.idl import phases, times
from flytetemporal.idl.identifiers import ExecutionKey

TYPE_PREFIX = "com.flyte.resource.cloudevents."
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
END_NODE, START_NODE = "end-node", "start-node"


@dataclass(frozen=True, slots=True)
class _Origin:
    """What the events of an execution tell of it."""

    spec: execution_pb2.ExecutionSpec
    outputs: interface_pb2.TypedInterface | None


async def envelopes(
    session: AsyncSession, settings: EventSettings, rows: Sequence[CloudEventRow]
) -> tuple[list[CloudEvent], list[int]]:
    """Return recorded events as CloudEvents, in their order, and the rows of those that have no such form."""
    origins = await _origins(session, {_key(row) for row in rows})
    events, odd = [], []
    for row in rows:
        try:
            events.append(_envelope(row, origins.get(_key(row)), enrich_all=settings.enrich_all))
        except Exception:
            # Such as a number that JSON does not have, in the task's own data. It must not hold up the others.
            _log.exception("cloud_event_without_form", row=row.id, execution=":".join(_key(row)))
            odd.append(row.id)
    return events, odd


def _key(row: CloudEventRow) -> ExecutionKey:
    return row.execution_project, row.execution_domain, row.execution_name


async def _origins(session: AsyncSession, keys: Iterable[ExecutionKey]) -> Mapping[ExecutionKey, _Origin]:
    """Return what is known of executions; nothing of those that have been deleted."""
    row, workflow = ExecutionRow, WorkflowRow
    columns = (row.execution_project, row.execution_domain, row.execution_name)
    query = (
        select(*columns, row.spec, workflow.typed_interface)
        .outerjoin(workflow, workflow.id == row.workflow_id)
        .where(tuple_(*columns).in_(list(keys)))
    )
    return {
        execution_rows.execution_key(found): _Origin(
            stored_messages.parse(execution_pb2.ExecutionSpec, found.spec),
            None
            if found.typed_interface is None
            else stored_messages.parse(interface_pb2.TypedInterface, found.typed_interface),
        )
        for found in await session.execute(query)
    }


def _envelope(row: CloudEventRow, origin: _Origin | None, *, enrich_all: bool) -> CloudEvent:
    execution = "/".join(_key(row))
    name, source, phase, time, message = _KINDS[row.kind](row, origin, enrich_all)
    subject = source.removeprefix("flyte://v1/").replace("/", ":")
    return CloudEvent(
        row=row.id,
        execution=execution,
        # The row number is the same in every attempt to deliver, and no other event has it.
        id=".".join(part for part in (subject, phase, str(row.id)) if part),
        source=source,
        type=f"{TYPE_PREFIX}{name}",
        time=time,
        data=json_format.MessageToDict(message),
    )


_Parts = tuple[str, str, str, datetime, Message]


def _start(row: CloudEventRow, _: _Origin | None, __: bool) -> _Parts:
    start = stored_messages.parse(cloudevents_pb2.CloudEventExecutionStart, row.event)
    return "ExecutionStart", _source(row, END_NODE), "", row.created_at, start


def _workflow(row: CloudEventRow, origin: _Origin | None, enrich_all: bool) -> _Parts:
    event = stored_messages.parse(event_pb2.WorkflowExecutionEvent, row.event)
    message = cloudevents_pb2.CloudEventWorkflowExecution(raw_event=event)
    if origin is not None and (enrich_all or event.phase == phases.W.SUCCEEDED):
        metadata = origin.spec.metadata
        message.principal = metadata.principal
        message.launch_plan_id.CopyFrom(origin.spec.launch_plan)
        message.artifact_ids.extend(metadata.artifact_ids)
        message.labels.update(origin.spec.labels.values)
        if metadata.HasField("reference_execution"):
            message.reference_execution.CopyFrom(metadata.reference_execution)
        if origin.outputs is not None:
            message.output_interface.outputs.CopyFrom(origin.outputs.outputs)
    phase = phases.W.Phase.Name(event.phase)
    return "WorkflowExecution", _source(row, END_NODE), phase, times.moment(event.occurred_at), message


def _node(row: CloudEventRow, origin: _Origin | None, enrich_all: bool) -> _Parts:
    event = stored_messages.parse(event_pb2.NodeExecutionEvent, row.event)
    message = cloudevents_pb2.CloudEventNodeExecution(raw_event=event)
    has_succeeded = event.phase == phases.N.SUCCEEDED and event.id.node_id != START_NODE
    if origin is not None and (enrich_all or has_succeeded):
        message.principal = origin.spec.metadata.principal
        message.launch_plan_id.CopyFrom(origin.spec.launch_plan)
        message.labels.update(origin.spec.labels.values)
    phase = phases.N.Phase.Name(event.phase)
    return "NodeExecution", _source(row, event.id.node_id), phase, times.moment(event.occurred_at), message


def _task(row: CloudEventRow, origin: _Origin | None, _: bool) -> _Parts:
    event = stored_messages.parse(event_pb2.TaskExecutionEvent, row.event)
    message = cloudevents_pb2.CloudEventTaskExecution(raw_event=event)
    if origin is not None:
        message.labels.update(origin.spec.labels.values)
    source = f"{_source(row, event.parent_node_execution_id.node_id)}/{event.retry_attempt}"
    return "TaskExecution", source, phases.T.Phase.Name(event.phase), times.moment(event.occurred_at), message


def _source(row: CloudEventRow, node_id: str) -> str:
    return f"flyte://v1/{'/'.join(_key(row))}/{node_id}"


_KINDS = {"start": _start, "workflow": _workflow, "node": _node, "task": _task}
