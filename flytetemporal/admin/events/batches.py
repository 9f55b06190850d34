"""Record a batch of events of one execution: how our own engine reports.

No event is refused because of its order: repeated and late events change nothing, and a child's event can precede its
parent's. Flyte's own RPCs, which take one event and refuse such events, are in ``flyte_events``.
"""

from collections.abc import Sequence

from flytetemporal import errors
from flytetemporal.admin.artifacts import production
from flytetemporal.admin.base import execution_lookup
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import event_merge, event_rows, group_commit, inline_data
from flytetemporal.admin.events.event_rows import ExecutionId
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.idl import identifiers, phases


async def record_events(deps: Dependencies, request: events_pb2.RecordEventsRequest) -> events_pb2.RecordEventsResponse:
    """Apply the events in one transaction, all or none.

    Raises:
        NotFound: the execution does not exist.
        FailedPrecondition: they end it, are tentative, and an abort or a pause is on its way.
        InvalidRequest: the events belong to several executions, or one is malformed.
    """
    if not request.events:
        return events_pb2.RecordEventsResponse()
    execution_id = _execution_of(request.events)
    # Before the transaction: no lock is held while the object store is written. Repeated writes go to the same URIs.
    for event in request.events:
        await inline_data.offload(deps, event_merge.inner(event))
    artifacts = await production.of_events(deps, execution_id, request.events)
    tentative = request.tentative and any(
        event.HasField("workflow") and event.workflow.phase in phases.WORKFLOW_TERMINAL for event in request.events
    )
    applied = await group_commit.apply(deps, execution_id, request.events, artifacts, tentative=tentative)
    return events_pb2.RecordEventsResponse(applied=applied)


def _execution_of(events: Sequence[events_pb2.Event]) -> ExecutionId:
    keys = set()
    for position, event in enumerate(events):
        inner = event_merge.inner(event)
        if not inner.HasField("occurred_at"):
            raise errors.InvalidRequest(f"event {position}: missing occurred_at")
        keys.add(_checked_key(event))
    if len(keys) != 1:
        raise errors.InvalidRequest(f"the events of a batch must belong to one execution, these belong to {len(keys)}")
    return identifiers.execution_identifier(keys.pop())


def _checked_key(event: events_pb2.Event) -> identifiers.ExecutionKey:
    match event.WhichOneof("event"):
        case "workflow":
            identifier = event.workflow.execution_id
            execution_lookup.check_execution_id(identifier)
        case "node":
            execution_lookup.check_node_id(event.node.id)
            identifier = event.node.id.execution_id
        case "task":
            execution_lookup.check_task_id(event_rows.task_execution_id(event.task))
            identifier = event.task.parent_node_execution_id.execution_id
        case _:
            raise errors.InvalidRequest("an event has none of workflow, node and task set")
    return identifiers.execution_key(identifier)
