"""The workflow runner of all workers: without a sandbox, and with events applied only by workflow tasks.

A query that Temporal dispatches by itself can carry events that no workflow task has handled yet: those that arrive
while it waits for a worker. The SDK applies them to the run before it asks the query: at the time of the workflow task
before them, and apart from the events that follow. A replay applies them all together, at the time of their own
workflow task. A run that decides something in between issues commands that no replay repeats, and is stuck for ever.
"""

from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from flytetemporal.contracts import workflows

# They do not continue the run.
_PASSIVE = frozenset({"query_workflow", "remove_from_cache"})


class WorkflowRunner(UnsandboxedWorkflowRunner):
    """Runs workflows without a sandbox: they are this project's own pure code, and it would cost half their speed."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return an instance of a workflow that refuses events that come without their workflow task."""
        return _Instance(super().create_instance(det))


class _Instance(WorkflowInstance):
    """Fails an activation that would apply events without their workflow task.

    The query fails with it, and the run leaves the cache of the worker, so that the next workflow task replays it. The
    events cannot be kept for that workflow task instead: if it brings no others, the SDK completes it by itself.
    """

    def __init__(self, inner: WorkflowInstance) -> None:
        self._inner = inner
        self._length = 0
        self._size = 0

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if all(job.WhichOneof("variant") in _PASSIVE for job in act.jobs):
            return self._inner.activate(act)
        if self._is_ahead(act):
            completion = WorkflowActivationCompletion(run_id=act.run_id)
            completion.failed.failure.message = workflows.QUERY_IS_AHEAD
            return completion
        self._length, self._size = act.history_length, act.history_size_bytes
        return self._inner.activate(act)

    def _is_ahead(self, act: WorkflowActivation) -> bool:
        """Whether there are new events but no WorkflowTaskStarted event, which brings another size of the history.

        The time of the activation would not do: it stands still while the clock of the server is set back.
        """
        return act.history_length > self._length and act.history_size_bytes == self._size > 0

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._inner.get_info()

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()
