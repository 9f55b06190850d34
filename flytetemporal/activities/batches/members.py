"""One attempt of a batch: what it needs, how it uses the cache, and its result."""

from collections.abc import Sequence
from dataclasses import dataclass

from flyteidl.core import tasks_pb2

from flytetemporal.activities import events
from flytetemporal.activities.caching.task_cache import CacheUse
from flytetemporal.activities.task_attempts import Attempt
from flytetemporal.activities.task_reports import TaskReports
from flytetemporal.contracts.v1 import arrays_pb2, execution_pb2
from flytetemporal.plugins.protocol import TaskContext


@dataclass(slots=True, eq=False)
class Member:
    """An attempt, at ``position`` in its batch."""

    position: int
    attempt: Attempt
    reports: TaskReports
    use: CacheUse | None = None
    context: TaskContext | None = None
    """Set once its inputs are written."""
    result: execution_pb2.TaskAttemptResult | None = None


def members(batch: arrays_pb2.ElementBatch, task: tasks_pb2.TaskTemplate, sink: events.EventSink) -> Sequence[Member]:
    """Return the attempts of a batch."""
    found = []
    for position, own in enumerate(batch.attempts):
        request = execution_pb2.TaskAttempt()
        request.CopyFrom(batch.shared)
        request.MergeFrom(own)
        attempt = Attempt(request, task)
        found.append(Member(position, attempt, TaskReports(sink, attempt)))
    return found


def answer(members: Sequence[Member], seconds: float) -> arrays_pb2.ElementBatchResult:
    """Return the result of the activity, which has taken ``seconds``."""
    return arrays_pb2.ElementBatchResult(
        seconds=seconds,
        results=[
            arrays_pb2.BatchedResult(position=member.position, result=member.result)
            for member in members
            if member.result is not None
        ],
    )


def alone(members: Sequence[Member]) -> arrays_pb2.ElementBatchResult:
    """Return the result of an activity that runs none of its attempts, because they cannot share a process."""
    return arrays_pb2.ElementBatchResult(alone=[member.position for member in members])
