"""Report the elements of an array node: as external resources of one task execution, in few events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from temporalio import workflow

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import array_task_events
from flytetemporal.workflows import cancellation
from flytetemporal.workflows.node.node_run import NodeRun

TaskPhase = core_execution_pb2.TaskExecution
# Failures that are shown of elements whose index is too high to be shown otherwise.
FAILURES_SHOWN = 1000


class ArrayReport:
    """The task execution of one array node. ``task_id`` is the task of its elements, None if they run a launch plan."""

    def __init__(self, node: NodeRun, task_id: identifier_pb2.Identifier | None) -> None:
        self._node = node
        self._task_id = task_id
        self._changed: dict[tuple[int, int], event_pb2.ExternalResourceInfo] = {}
        self._failures = 0

    @contextlib.asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Report changes while the block runs: one event with all of them, the next one when that has been sent."""
        reporting = asyncio.create_task(self._report_changes())
        try:
            yield
        finally:
            await cancellation.cancel_and_wait([reporting])

    async def _report_changes(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._changed))
            self.phase(TaskPhase.RUNNING)
            await self._node.scope.run.reports.wait_until_sent()

    def external_id(self, index: int, attempt: int) -> str:
        """Return the name of an attempt of an element."""
        return f"{self._node.generated_name(0)}-n{index}-{attempt}"

    def element(self, index: int, attempt: int, phase: core_execution_pb2.TaskExecution.Phase) -> None:
        """Add the phase of an attempt that has no activity to report it."""
        self._change(
            event_pb2.ExternalResourceInfo(
                external_id=self.external_id(index, attempt), index=index, retry_attempt=attempt, phase=phase
            )
        )

    def attempt_ended(self, result: execution_pb2.TaskAttemptResult) -> None:
        """Add the resources that the activity of an attempt returned."""
        for event in result.unreported:
            for resource in event.task.metadata.external_resources:
                self._change(resource)

    def _change(self, resource: event_pb2.ExternalResourceInfo) -> None:
        if resource.index >= array_task_events.SHOWN:
            self._failures += resource.phase == TaskPhase.FAILED
            if not array_task_events.is_shown(resource.index, resource.phase) or self._failures > FAILURES_SHOWN:
                return
        key = resource.index, resource.retry_attempt
        known = self._changed.setdefault(key, event_pb2.ExternalResourceInfo())
        if resource.logs:
            known.ClearField("logs")  # MergeFrom would append them to those of the earlier phase.
        known.MergeFrom(resource)

    def flush(self) -> None:
        """Report the changes that have not been reported yet."""
        if self._changed:
            self.phase(TaskPhase.RUNNING)

    def phase(
        self,
        phase: core_execution_pb2.TaskExecution.Phase,
        *,
        output_uri: str = "",
        error: core_execution_pb2.ExecutionError | None = None,
    ) -> None:
        """Report a phase of the whole array with all changes since the last report."""
        if self._task_id is None:
            return
        event = array_task_events.task_event(
            self._node.event, self._task_id, phase, self._node.scope.run.event_clock.tick(), self._node.attempt
        )
        event.metadata.external_resources.extend(self._changed[key] for key in sorted(self._changed))
        self._changed.clear()
        if phase == TaskPhase.QUEUED:
            event.input_uri = self._node.inputs_uri
        if output_uri:
            event.output_uri = output_uri
        if error is not None:
            event.error.CopyFrom(error)
        self._node.scope.run.reports.task(event)
