"""The only door from admin to Temporal: start, signal, query and end ``ExecutionWorkflow``."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

import temporalio.exceptions
from flyteidl.core import identifier_pb2
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2, operations_pb2
from flytetemporal.errors import NotFound, Unavailable
from flytetemporal.idl import identifiers, naming

# So long a worker that died with a workflow task holds its run up; a replay of 10,000 events takes 7 s at most.
TASK_TIMEOUT = timedelta(seconds=30)
# A query needs a worker; one that is busy or gone must not hold up its caller.
QUERY_TIMEOUT = timedelta(seconds=5)

T = TypeVar("T")


class Engine:
    """Starts are idempotent: the Temporal workflow id derives from the execution id and is never used twice."""

    def __init__(self, client: Client, cluster: str, *, eager: bool = False) -> None:
        self._client = client
        self._cluster = cluster
        self._eager = eager

    @property
    def cluster(self) -> str:
        """The data plane that runs executions."""
        return self._cluster

    async def start(self, argument: execution_pb2.ExecutionInput) -> None:
        """Start the execution's workflow; one that was started before is left alone.

        Raises:
            Unavailable: Temporal does not answer; the sweeper or a repeated call starts it later.
        """
        execution, workflow = argument.execution_id, argument.workflow_id
        try:
            await self._client.start_workflow(
                workflows.EXECUTION_WORKFLOW,
                argument,
                id=naming.temporal_workflow_id(execution),
                task_queue=workflows.engine_queue(argument.settings.cluster or self._cluster),
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                task_timeout=TASK_TIMEOUT,
                request_eager_start=self._eager,
                static_summary=f"{workflow.name} ({execution.name})",
                memo={
                    "execution": f"{execution.project}:{execution.domain}:{execution.name}",
                    "workflow": ":".join(identifiers.entity_key(workflow)),
                },
                search_attributes=_search_attributes(argument),
            )
        except temporalio.exceptions.WorkflowAlreadyStartedError:
            return
        except RPCError as e:
            raise Unavailable(
                f"execution {execution.name} is recorded but Temporal did not start it: {e.message}"
            ) from e

    async def cancel(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
        """Ask the execution to stop. Repeating it changes nothing.

        Raises:
            NotFound: no such workflow runs.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).cancel(reason=reason), execution_id)

    async def terminate(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
        """End the execution's workflow at once; its activities learn of it at their next heartbeat.

        Raises:
            NotFound: no such workflow runs.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).terminate(reason=reason), execution_id)

    async def signal_set(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, signal_id: str) -> None:
        """Tell the execution that a signal has a new value, which it then reads. Repeating it changes nothing.

        Raises:
            NotFound: no such workflow runs.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).signal(workflows.SIGNAL_SET, signal_id), execution_id)

    async def describe(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier
    ) -> WorkflowExecutionDescription | None:
        """Return what Temporal knows of the execution's latest run; None when it knows nothing.

        Raises:
            Unavailable: Temporal does not answer.
        """
        try:
            return await _answer(self._handle(execution_id).describe(), execution_id)
        except NotFound:
            return None

    async def pending_activities(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier
    ) -> dict[str, PendingActivityInfo]:
        """Return the open activities of the execution by activity id; none when nothing runs.

        Raises:
            Unavailable: Temporal does not answer.
        """
        description = await self.describe(execution_id)
        if description is None:
            return {}
        return {activity.activity_id: activity for activity in description.raw_description.pending_activities}

    async def waits(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str = ""
    ) -> operations_pb2.Waits:
        """Ask the running workflow what its nodes wait for.

        Raises:
            NotFound: no such workflow runs.
            Unavailable: no worker answers in time, or Temporal does not.
        """
        handle = self._handle(execution_id)
        query = handle.query(
            workflows.QUERY_WAITS, node_id, result_type=operations_pb2.Waits, rpc_timeout=QUERY_TIMEOUT
        )
        try:
            return await _answer(query, execution_id)
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as e:
            raise Unavailable(f"the workflow of {execution_id.name} does not answer queries: {e}") from e

    async def pollers(self, task_queue: str, *, workflows_too: bool = False) -> int:
        """Return how many workers ask for activities of a task queue, or for its workflow tasks.

        Temporal remembers a worker for five minutes after its last poll.

        Raises:
            Unavailable: Temporal does not answer.
        """
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if workflows_too else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
        )
        try:
            return len((await self._client.workflow_service.describe_task_queue(request)).pollers)
        except RPCError as e:
            raise Unavailable(f"Temporal does not answer: {e.message}") from e

    def _handle(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(naming.temporal_workflow_id(execution_id))


async def _answer(call: Awaitable[T], execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> T:
    try:
        return await call
    except RPCError as e:
        if e.status == RPCStatusCode.NOT_FOUND:
            raise NotFound(f"no workflow runs for execution {execution_id.name}") from e
        raise Unavailable(f"Temporal does not answer for execution {execution_id.name}: {e.message}") from e


def _search_attributes(argument: execution_pb2.ExecutionInput) -> TypedSearchAttributes:
    values = {
        workflows.SEARCH_PROJECT: argument.execution_id.project,
        workflows.SEARCH_DOMAIN: argument.execution_id.domain,
        workflows.SEARCH_EXECUTION: argument.execution_id.name,
        workflows.SEARCH_WORKFLOW: argument.workflow_id.name,
    }
    return TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword(k), v) for k, v in values.items()])
