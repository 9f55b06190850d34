"""Merge task events into a task execution, which is changed in place. Pure otherwise."""

from collections.abc import Callable, Iterable, Sequence

from flyteidl.admin import task_execution_pb2
from flyteidl.core.execution_pb2 import TaskLog
from flyteidl.event import event_pb2
from google.protobuf import struct_pb2

from flytetemporal.idl import phases
from flytetemporal.idl.progress import closures

_PENDING = frozenset({phases.T.QUEUED, phases.T.INITIALIZING})
_SCALARS = ("generated_name", "plugin_identifier", "instance_class")

Logs = Sequence[TaskLog]
Join = Callable[[Logs, Logs, phases.T.Phase, phases.T.Phase], list[TaskLog]]
"""Joins stored and reported logs, given the reported phase and the stored phase after this event."""


def record(execution: task_execution_pb2.TaskExecution, event: event_pb2.TaskExecutionEvent) -> int:
    """Apply an accepted event as Flyte does; return the phase version.

    The closure takes the phase of the event, whatever the stored one is.
    """
    closure = execution.closure
    known = closure.HasField("updated_at")
    repeated = known and not event.reasons and event.reason == closure.reason
    _merge(execution, event, _newest_first if known else _as_reported, forward=True, with_reasons=not repeated)
    if event.HasField("reported_at"):
        closure.updated_at.CopyFrom(event.reported_at)
    return event.phase_version


def advance(
    execution: task_execution_pb2.TaskExecution, version: int, event: event_pb2.TaskExecutionEvent
) -> tuple[bool, int]:
    """Move the attempt forward; return whether anything changed, and the phase version.

    An event behind the stored phase and version only adds what is missing: reasons, logs, parts of the metadata.
    ``reported_at`` is ignored, since it differs between repetitions of an event.
    """
    closure = execution.closure
    here = phases.task_rank(closure.phase), version
    there = phases.task_rank(event.phase), event.phase_version
    ended = closure.phase in phases.TASK_TERMINAL
    if not closure.HasField("updated_at") or (there > here and not ended):
        _merge(execution, event, _in_one_order, forward=True, with_reasons=True)
        return True, event.phase_version
    before = execution.SerializeToString(deterministic=True)
    _merge(execution, event, _in_one_order, forward=False, with_reasons=True)
    return execution.SerializeToString(deterministic=True) != before, version


def _merge(
    execution: task_execution_pb2.TaskExecution,
    event: event_pb2.TaskExecutionEvent,
    join: Join,
    *,
    forward: bool,
    with_reasons: bool,
) -> None:
    closure = execution.closure
    if forward:
        closure.phase = event.phase
    closures.merge_times(closure, event, forward=forward, running=event.phase == phases.T.RUNNING)
    if forward and event.phase in phases.TASK_TERMINAL:
        closures.copy_result(closure, event)
    _merge_identity(execution, event)
    if with_reasons:
        _merge_reasons(closure, event)
    _replace_logs(closure, join(closure.logs, event.logs, event.phase, closure.phase))
    if event.HasField("custom_info"):
        _merge_custom_info(closure, event.custom_info, forward=forward)
    if event.HasField("metadata"):
        _merge_metadata(closure.metadata, event.metadata, join, forward=forward)
    if closure.phase in phases.TASK_TERMINAL:
        closures.set_duration(closure)


def _merge_identity(execution: task_execution_pb2.TaskExecution, event: event_pb2.TaskExecutionEvent) -> None:
    closure = execution.closure
    execution.input_uri = execution.input_uri or event.input_uri
    closure.task_type = closure.task_type or event.task_type
    closure.event_version = max(closure.event_version, event.event_version)
    if event.HasField("log_context") and not closure.HasField("log_context"):
        closure.log_context.CopyFrom(event.log_context)


def _merge_reasons(closure: task_execution_pb2.TaskExecutionClosure, event: event_pb2.TaskExecutionEvent) -> None:
    reported = [(r.occurred_at.seconds, r.occurred_at.nanos, r.reason) for r in event.reasons]
    if not reported and event.reason:
        reported = [(event.occurred_at.seconds, event.occurred_at.nanos, event.reason)]
    known = {(r.occurred_at.seconds, r.occurred_at.nanos, r.message) for r in closure.reasons}
    if known.issuperset(reported):
        return
    closure.ClearField("reasons")
    for seconds, nanos, message in sorted(known.union(reported)):
        reason = closure.reasons.add(message=message)
        reason.occurred_at.seconds, reason.occurred_at.nanos = seconds, nanos
    closure.reason = closure.reasons[-1].message


def _replace_logs(
    holder: task_execution_pb2.TaskExecutionClosure | event_pb2.ExternalResourceInfo,
    logs: Iterable[TaskLog],
) -> None:
    logs = list(logs)
    if logs != list(holder.logs):
        holder.ClearField("logs")
        holder.logs.extend(logs)


def _shown(logs: Logs, phase: phases.T.Phase) -> list[TaskLog]:
    if phase in phases.TASK_TERMINAL:
        return [log for log in logs if not log.HideOnceFinished]
    if phase in _PENDING:
        return [log for log in logs if log.ShowWhilePending]
    return list(logs)


def _as_reported(_stored: Logs, reported: Logs, _there: phases.T.Phase, _here: phases.T.Phase) -> list[TaskLog]:
    return list(reported)


def _newest_first(stored: Logs, reported: Logs, there: phases.T.Phase, _here: phases.T.Phase) -> list[TaskLog]:
    """Join as Flyte does: new logs first, then the stored ones that are not among them."""
    new = {(log.uri, log.name) for log in reported}
    return _shown([*reported, *(log for log in stored if (log.uri, log.name) not in new)], there)


def _in_one_order(stored: Logs, reported: Logs, there: phases.T.Phase, here: phases.T.Phase) -> list[TaskLog]:
    """Join so that the order of events does not matter.

    The phase of an event filters its own logs; a final stored phase filters all of them. Logs are sorted by name and
    URI, and of two logs with the same key the one with the greater weight is kept.
    """
    logs: dict[tuple[str, str], TaskLog] = {}
    for log in (*stored, *_shown(reported, there)):
        other = logs.setdefault((log.name, log.uri), log)
        if _weight(log) > _weight(other):
            logs[log.name, log.uri] = log
    everything = [logs[key] for key in sorted(logs)]
    return _shown(everything, here) if here in phases.TASK_TERMINAL else everything


def _weight(log: TaskLog) -> tuple[bool, bytes]:
    return not log.HideOnceFinished, log.SerializeToString(deterministic=True)


def _merge_custom_info(
    closure: task_execution_pb2.TaskExecutionClosure, reported: struct_pb2.Struct, *, forward: bool
) -> None:
    if forward:
        _patch(closure.custom_info, reported)
        closure.custom_info.SetInParent()
        return
    older = struct_pb2.Struct()
    older.CopyFrom(reported)
    _patch(older, closure.custom_info)
    closure.custom_info.CopyFrom(older)


def _patch(target: struct_pb2.Struct, patch: struct_pb2.Struct) -> None:
    """Apply a JSON merge patch (RFC 7396)."""
    for key, value in patch.fields.items():
        kind = value.WhichOneof("kind")
        if kind == "null_value":
            target.fields.pop(key, None)
        elif kind == "struct_value" and target.fields[key].WhichOneof("kind") == "struct_value":
            _patch(target.fields[key].struct_value, value.struct_value)
        else:
            target.fields[key].CopyFrom(value)


def _merge_metadata(
    stored: event_pb2.TaskExecutionMetadata, reported: event_pb2.TaskExecutionMetadata, join: Join, *, forward: bool
) -> None:
    for name in _SCALARS:
        value = getattr(reported, name)
        if value and (forward or not getattr(stored, name)):
            setattr(stored, name, value)
    if reported.resource_pool_info and (forward or not stored.resource_pool_info):
        stored.ClearField("resource_pool_info")
        stored.resource_pool_info.extend(reported.resource_pool_info)
    if reported.external_resources:
        _merge_resources(stored, reported.external_resources, join)


def _merge_resources(
    stored: event_pb2.TaskExecutionMetadata, reported: Iterable[event_pb2.ExternalResourceInfo], join: Join
) -> None:
    known = {(r.index, r.retry_attempt): r for r in stored.external_resources}
    added = {}
    for resource in reported:
        key = resource.index, resource.retry_attempt
        if key not in known:
            known[key] = added[key] = event_pb2.ExternalResourceInfo(index=key[0], retry_attempt=key[1])
        _merge_resource(known[key], resource, join)
    if added:
        ordered = [known[key] for key in sorted(known)]
        stored.ClearField("external_resources")
        stored.external_resources.extend(ordered)


def _merge_resource(
    stored: event_pb2.ExternalResourceInfo, reported: event_pb2.ExternalResourceInfo, join: Join
) -> None:
    forward = phases.task_rank(reported.phase) > phases.task_rank(stored.phase)
    if forward:
        stored.phase = reported.phase
    if reported.external_id and (forward or not stored.external_id):
        stored.external_id = reported.external_id
    if reported.cache_status and (forward or not stored.cache_status):
        stored.cache_status = reported.cache_status
    if reported.HasField("custom_info") and (forward or not stored.HasField("custom_info")):
        stored.custom_info.CopyFrom(reported.custom_info)
    if reported.HasField("workflow_node_metadata") and not stored.HasField("workflow_node_metadata"):
        stored.workflow_node_metadata.CopyFrom(reported.workflow_node_metadata)
    if reported.HasField("log_context") and not stored.HasField("log_context"):
        stored.log_context.CopyFrom(reported.log_context)
    _replace_logs(stored, join(stored.logs, reported.logs, reported.phase, stored.phase))
