"""What clients see of an array node's elements: resources of one task execution, told in few events."""

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
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.node_run import NodeRun

TaskPhase = core_execution_pb2.TaskExecution
# Failures among the elements that are not shown by their index.
FAILURES_SHOWN = 1000


class ArrayReport:
    """The task execution of one array node. ``task_id`` is that of its elements; launch plans have no such record."""

    def __init__(self, node: NodeRun, task_id: identifier_pb2.Identifier | None) -> None:
        self._node = node
        self._task_id = task_id
        self._changed: dict[tuple[int, int], event_pb2.ExternalResourceInfo] = {}
        self._failures = 0

    @contextlib.asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """Tell, while the block lasts, what changes: one event at a time, so that changes gather meanwhile."""
        reporting = asyncio.create_task(self._report_changes())
        try:
            yield
        finally:
            await cancellation.cancel_and_wait([reporting])

    async def _report_changes(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._changed))
            self.phase(TaskPhase.RUNNING)
            await self._node.scope.run.reports.sent()

    def external_id(self, index: int, attempt: int) -> str:
        """Return how an attempt of an element is called."""
        return f"{self._node.generated_name(0)}-n{index}-{attempt}"

    def element(self, index: int, attempt: int, phase: core_execution_pb2.TaskExecution.Phase) -> None:
        """Note the phase of an attempt that tells nothing by itself."""
        self._change(
            event_pb2.ExternalResourceInfo(
                external_id=self.external_id(index, attempt), index=index, retry_attempt=attempt, phase=phase
            )
        )

    def attempt_ended(self, result: execution_pb2.TaskAttemptResult) -> None:
        """Note what an attempt has left to be told."""
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
            known.ClearField("logs")
        known.MergeFrom(resource)

    def flush(self) -> None:
        """Report what has changed and was not told yet."""
        if self._changed:
            self.phase(TaskPhase.RUNNING)

    def phase(
        self,
        phase: core_execution_pb2.TaskExecution.Phase,
        *,
        output_uri: str = "",
        error: core_execution_pb2.ExecutionError | None = None,
    ) -> None:
        """Report a phase of the whole, with all that has changed since the last time."""
        if self._task_id is None:
            return
        event = array_task_events.task_event(self._node.event, self._task_id, phase, runs.now())
        event.metadata.external_resources.extend(self._changed[key] for key in sorted(self._changed))
        self._changed.clear()
        if phase == TaskPhase.QUEUED:
            event.input_uri = self._node.inputs_uri
        if output_uri:
            event.output_uri = output_uri
        if error is not None:
            event.error.CopyFrom(error)
        self._node.scope.run.reports.task(event)
