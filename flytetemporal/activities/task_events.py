"""Build the events of a task attempt from the event of its node. Pure: callers pass the time.

Fields mirror flytepropeller's pkg/controller/nodes/task/transformer.go.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import tasks_pb2
from flyteidl.event import event_pb2

from flytetemporal.contracts.v1 import events_pb2, execution_pb2
from flytetemporal.idl import array_task_events, locations, times
from flytetemporal.plugins.protocol import PhaseInfo, TaskPhase

EVENT_VERSION = 1
TIMEOUT_EXPIRED = "TimeoutExpired"
NodePhase = core_execution_pb2.NodeExecution
InstanceClass = event_pb2.TaskExecutionMetadata


@dataclass(slots=True)
class AttemptEvents:
    """Builds the events of one attempt. The log links of one phase are repeated in all later events."""

    attempt: execution_pb2.TaskAttempt
    template: tasks_pb2.TaskTemplate
    plugin: str = ""
    # Empty: it is not shown.
    memory: str = ""
    logs: Sequence[core_execution_pb2.TaskLog] = field(default_factory=tuple)

    def running(self, info: PhaseInfo, now: datetime) -> list[events_pb2.Event]:
        """Return the events of the first phase: the node runs too. The workflow reports the end of the node."""
        return [self._node_running(now), self.phase(info, now)]

    def _node_running(self, now: datetime) -> events_pb2.Event:
        event = event_pb2.NodeExecutionEvent()
        event.CopyFrom(self.attempt.node_event)
        event.phase = NodePhase.RUNNING
        event.occurred_at.CopyFrom(times.timestamp(now))
        event.reported_at.CopyFrom(event.occurred_at)
        if has_deck(self.template):
            event.deck_uri = locations.join(self.attempt.output_dir, locations.DECK)
        return events_pb2.Event(node=event)

    def phase(self, info: PhaseInfo, now: datetime) -> events_pb2.Event:
        """Return the event of a phase."""
        return events_pb2.Event(task=self._seen(info, now))

    def _seen(self, info: PhaseInfo, now: datetime) -> event_pb2.TaskExecutionEvent:
        event = self._event(info.phase, now)
        if self.memory:
            event.custom_info.update({"memory": self.memory})
        reason = "; ".join(filter(None, (info.reason, self._raised(info))))
        if reason:
            event.reason = reason
            event.reasons.add(reason=reason, occurred_at=event.occurred_at)
        self.logs = info.logs or self.logs
        event.logs.extend(self.logs)
        return event

    def _raised(self, info: PhaseInfo) -> str:
        is_raised = info.phase == TaskPhase.RUNNING and self.attempt.memory_bytes
        return f"memory {self.memory}: an earlier attempt ran out of memory" if is_raised else ""

    def ended(self, result: execution_pb2.TaskAttemptResult, now: datetime) -> events_pb2.Event:
        """Return the terminal event of a result."""
        if result.WhichOneof("outcome") == "outputs":
            event = self._seen(PhaseInfo(TaskPhase.SUCCEEDED), now)
            event.output_uri = locations.outputs_uri(self.attempt.output_dir)
            return events_pb2.Event(task=event)
        if result.failure.error.code == TIMEOUT_EXPIRED:
            return self.aborted(now)
        event = self._seen(PhaseInfo(TaskPhase.FAILED), now)
        event.error.CopyFrom(result.failure.error)
        return events_pb2.Event(task=event)

    def aborted(self, now: datetime) -> events_pb2.Event:
        """Return the event of an attempt that was aborted or has timed out; it has no error."""
        return self.phase(PhaseInfo(TaskPhase.ABORTED), now)

    def _event(self, phase: core_execution_pb2.TaskExecution.Phase, now: datetime) -> event_pb2.TaskExecutionEvent:
        attempt = self.attempt
        interruptible = InstanceClass.INTERRUPTIBLE if attempt.interruptible else InstanceClass.DEFAULT
        return event_pb2.TaskExecutionEvent(
            task_id=self.template.id,
            parent_node_execution_id=attempt.node_event.id,
            retry_attempt=attempt.attempt,
            phase=phase,
            producer_id=attempt.node_event.producer_id,
            occurred_at=times.timestamp(now),
            reported_at=times.timestamp(now),
            input_uri=locations.inputs_uri(attempt.data_dir),
            task_type=self.template.type,
            event_version=EVENT_VERSION,
            metadata=event_pb2.TaskExecutionMetadata(
                generated_name=attempt.generated_name,
                plugin_identifier=self.plugin,
                instance_class=interruptible,
            ),
        )


@dataclass(slots=True)
class ElementEvents(AttemptEvents):
    """Builds the events of an attempt of an array's element: an external resource of the array's task execution.

    Mirrors flytepropeller's pkg/controller/nodes/array/event_recorder.go.
    """

    def running(self, info: PhaseInfo, now: datetime) -> list[events_pb2.Event]:
        """Return the events of the first phase."""
        return [self.phase(info, now)]

    def phase(self, info: PhaseInfo, now: datetime) -> events_pb2.Event:
        """Return the event of a phase."""
        return self._resource(self._seen(info, now))

    def ended(self, result: execution_pb2.TaskAttemptResult, now: datetime) -> events_pb2.Event:
        """Return the terminal event of a result."""
        failed = result.WhichOneof("outcome") == "failure"
        event = self.phase(PhaseInfo(TaskPhase.FAILED if failed else TaskPhase.SUCCEEDED), now)
        event.task.metadata.external_resources[0].cache_status = result.cache.cache_status
        return event

    def aborted(self, now: datetime) -> events_pb2.Event:
        """Return the event of an attempt that was aborted or has timed out."""
        return self.phase(PhaseInfo(TaskPhase.ABORTED), now)

    def _resource(self, seen: event_pb2.TaskExecutionEvent) -> events_pb2.Event:
        element = self.attempt.element
        event = array_task_events.task_event(
            self.attempt.node_event, seen.task_id, TaskPhase.RUNNING, seen.occurred_at, element.array_attempt
        )
        resource = event.metadata.external_resources.add(
            external_id=element.external_id,
            index=element.index,
            retry_attempt=self.attempt.attempt,
            phase=seen.phase,
            logs=seen.logs,
        )
        if self.memory:
            resource.custom_info.CopyFrom(seen.custom_info)
        for log in resource.logs:
            log.name = f"{log.name}-{element.index}"
        return events_pb2.Event(task=event)


def has_deck(template: tasks_pb2.TaskTemplate) -> bool:
    """Whether the task announces a deck."""
    return template.metadata.HasField("generates_deck") and template.metadata.generates_deck.value


def may_have_deck(template: tasks_pb2.TaskTemplate) -> bool:
    """Whether a deck may exist after success: unless the task declares that it makes none."""
    return not template.metadata.HasField("generates_deck") or template.metadata.generates_deck.value
