"""The only door from admin to Temporal: start, signal, query, cancel and terminate ``ExecutionWorkflow``."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import temporalio.exceptions
from flyteidl.core import identifier_pb2
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import (
    Client,
    WorkflowContinuedAsNewError,
    WorkflowExecution,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.admin.base import sent_edits
from flytetemporal.admin.base.backfill_workflows import BackfillWorkflows
from flytetemporal.admin.base.histories import Histories
from flytetemporal.admin.base.temporal_answers import PendingActivity, decrypt, outcome, pending_activity
from flytetemporal.admin.base.temporal_answers import answer as _answer
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import edits_pb2, execution_pb2, operations_pb2, pauses_pb2
from flytetemporal.errors import NotFound, StartRefused, Unavailable
from flytetemporal.idl import identifiers, naming, times

# If a worker dies with a workflow task, or the answer to its poll is lost, Temporal waits this long before another
# worker gets the task. A worker must be able to replay a whole history in this time. That of a small graph has some
# 2,000 events, which take 1.5 s at most; 10,000 events, the most that a run has, take 7 s. A task that is too short for
# its replay all the same, on a stalled machine or after a large dynamic node, is not lost: from its fourth attempt on
# Temporal lengthens the timeout, 5 s at first, then twice as much each time.
TASK_TIMEOUT = timedelta(seconds=10)
LONG_TASK_TIMEOUT = timedelta(seconds=30)
SMALL_GRAPH_BYTES = 16 * 1024
# A worker answers a query. The caller must not wait for a worker that is busy or gone.
QUERY_TIMEOUT = timedelta(seconds=5)
# A worker polls at least once a minute; Temporal lists it for five minutes after its last poll.
POLL_AGE = timedelta(seconds=90)

_PROJECT = SearchAttributeKey.for_keyword(workflows.SEARCH_PROJECT)
_DOMAIN = SearchAttributeKey.for_keyword(workflows.SEARCH_DOMAIN)
_EXECUTION = SearchAttributeKey.for_keyword(workflows.SEARCH_EXECUTION)

# Statuses of a start that do not pass by waiting. NOT_FOUND is an unknown namespace.
_LASTING = frozenset(
    {
        RPCStatusCode.INVALID_ARGUMENT,
        RPCStatusCode.NOT_FOUND,
        RPCStatusCode.PERMISSION_DENIED,
        RPCStatusCode.UNAUTHENTICATED,
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.OUT_OF_RANGE,
        RPCStatusCode.UNIMPLEMENTED,
    }
)


class _QueryIsAhead(Unavailable):
    """A query brought events to the workflow that no workflow task has handled yet."""


class Engine:
    """The Temporal workflows of executions.

    Starts are idempotent: the Temporal workflow id derives from the execution id, and Temporal refuses an id that was
    used before.
    """

    def __init__(self, client: Client, cluster: str, *, eager: bool = False) -> None:
        self._client = client
        self._cluster = cluster
        self._eager = eager

    @property
    def cluster(self) -> str:
        """The data plane that runs executions."""
        return self._cluster

    @property
    def histories(self) -> Histories:
        """The histories of executions."""
        return Histories(self._client)

    @property
    def backfills(self) -> BackfillWorkflows:
        """The workflows of backfills."""
        return BackfillWorkflows(self._client)

    async def start(self, argument: execution_pb2.ExecutionInput) -> bool:
        """Start the execution's workflow; return False, and change nothing, if it was started before.

        Raises:
            StartRefused: Temporal refuses it and would refuse it again.
            Unavailable: Temporal does not answer. The sweeper or a repeated call starts the workflow later.
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
                task_timeout=_task_timeout(argument),
                request_eager_start=self._eager,
                static_summary=f"{workflow.name} ({execution.name})",
                memo={
                    "execution": f"{execution.project}:{execution.domain}:{execution.name}",
                    "workflow": ":".join(identifiers.entity_key(workflow)),
                    **_lineage(argument),
                },
                search_attributes=_search_attributes(argument),
                priority=_priority(argument),
            )
        except temporalio.exceptions.WorkflowAlreadyStartedError:
            return False
        except RPCError as e:
            if _is_lasting(e):
                raise StartRefused(
                    f"Temporal refuses to start execution {execution.name}: {e.message} ({e.status.name})"
                ) from e
            raise Unavailable(
                f"execution {execution.name} is recorded but Temporal did not start it: {e.message}"
            ) from e
        return True

    async def cancel(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
        """Request cancellation of the execution's workflow. A repeated request changes nothing.

        Raises:
            NotFound: the workflow does not run.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).cancel(reason=reason), execution_id)

    async def terminate(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, reason: str) -> None:
        """End the execution's workflow at once. Its activities are cancelled at their next heartbeat.

        Raises:
            NotFound: the workflow does not run.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).terminate(reason=reason), execution_id)

    async def signal_set(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, signal_id: str) -> None:
        """Notify the workflow that a signal has a new value, which it then reads. A repeated call changes nothing.

        Raises:
            NotFound: the workflow does not run.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).signal(workflows.SIGNAL_SET, signal_id), execution_id)

    async def pauses(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, found: pauses_pb2.Pauses) -> None:
        """Deliver the pauses that apply to the execution. A delivery that is late or repeated changes nothing.

        Raises:
            NotFound: the workflow does not run.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(execution_id).signal(workflows.PAUSES, found), execution_id)

    async def child_ended(
        self, parent: identifier_pb2.WorkflowExecutionIdentifier, state: execution_pb2.ChildState
    ) -> None:
        """Report to a workflow how an execution that it launched has ended. A repeated call changes nothing.

        Raises:
            NotFound: the workflow does not run.
            Unavailable: Temporal does not answer.
        """
        await _answer(self._handle(parent).signal(workflows.CHILD_ENDED, state), parent)

    async def ended(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier
    ) -> execution_pb2.ExecutionOutcome | None:
        """Return the outcome of the execution's workflow; None while it runs.

        Raises:
            NotFound: Temporal does not know the workflow.
            Unavailable: Temporal does not answer.
        """
        description = await _answer(self._handle(execution_id).describe(), execution_id)
        if description.close_time is None:
            return None
        handle = self._client.get_workflow_handle(
            description.id, run_id=description.run_id, result_type=execution_pb2.ExecutionOutcome
        )
        try:
            return await _answer(handle.result(follow_runs=False), execution_id)
        except WorkflowContinuedAsNewError:  # The run was closed by Continue-As-New: the workflow still runs.
            return None
        except WorkflowFailureError as e:
            return outcome(e.cause)

    async def running_executions(
        self, page_size: int
    ) -> AsyncIterator[list[identifier_pb2.WorkflowExecutionIdentifier]]:
        """Yield the executions whose workflows run, in pages.

        Raises:
            Unavailable: Temporal does not answer.
        """
        query = f"WorkflowType = '{workflows.EXECUTION_WORKFLOW}' AND ExecutionStatus = 'Running'"
        listed = self._client.list_workflows(query, page_size=page_size)
        while True:
            try:
                await listed.fetch_next_page()
            except RPCError as e:
                raise Unavailable(f"Temporal does not answer: {e.message}") from e
            yield [_execution_id(found) for found in listed.current_page or [] if _is_ours(found)]
            if not listed.next_page_token:
                return

    async def pending_activities(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier
    ) -> dict[str, PendingActivity]:
        """Return the open activities of the execution by activity id; empty if its workflow does not run.

        Raises:
            Unavailable: Temporal does not answer.
        """
        try:
            description = await _answer(self._handle(execution_id).describe(), execution_id)
        except NotFound:
            return {}
        await decrypt(self._client, description.raw_description)
        return {found.activity_id: pending_activity(found) for found in description.raw_description.pending_activities}

    async def waits(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str = ""
    ) -> operations_pb2.Waits:
        """Query the running workflow for what its nodes wait for; with ``node_id``, for that node only.

        Raises:
            NotFound: the workflow does not run.
            Unavailable: Temporal or every worker fails to answer in time, or the query fails.
        """
        try:
            return await self._query_waits(execution_id, node_id)
        except _QueryIsAhead:
            # Temporal keeps this one until the workflow task has handled the events.
            return await self._query_waits(execution_id, node_id)

    async def _query_waits(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str
    ) -> operations_pb2.Waits:
        query = self._handle(execution_id).query(
            workflows.QUERY_WAITS, node_id, result_type=operations_pb2.Waits, rpc_timeout=QUERY_TIMEOUT
        )
        try:
            return await _answer(query, execution_id)
        except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as e:
            failure = _QueryIsAhead if workflows.QUERY_IS_AHEAD in str(e) else Unavailable
            raise failure(f"the workflow of {execution_id.name} does not answer queries: {e}") from e

    async def edit(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, command: edits_pb2.EditCommand
    ) -> edits_pb2.EditResponse:
        """Send an edit to the running workflow and return its answer; see ``sent_edits.send``."""
        return await sent_edits.send(self._handle(execution_id), execution_id, command)

    async def pollers(self, task_queue: str, *, workflows_too: bool = False) -> int:
        """Return the number of workers that recently polled a task queue.

        They polled for activities or, if ``workflows_too``, for workflow tasks.

        Raises:
            Unavailable: Temporal does not answer.
        """
        kind = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW if workflows_too else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace, task_queue=TaskQueue(name=task_queue), task_queue_type=kind
        )
        try:
            pollers = (await self._client.workflow_service.describe_task_queue(request)).pollers
        except RPCError as e:
            raise Unavailable(f"Temporal does not answer: {e.message}") from e
        now = datetime.now(UTC)
        return sum(now - times.moment(poller.last_access_time) < POLL_AGE for poller in pollers)

    def _handle(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> WorkflowHandle[object, object]:
        return self._client.get_workflow_handle(naming.temporal_workflow_id(execution_id))


def _is_ours(found: WorkflowExecution) -> bool:
    """Whether the workflow has the search attributes of an execution, without which its id is unknown."""
    return found.typed_search_attributes.get(_PROJECT) is not None


def _execution_id(found: WorkflowExecution) -> identifier_pb2.WorkflowExecutionIdentifier:
    attributes = found.typed_search_attributes
    return identifier_pb2.WorkflowExecutionIdentifier(
        project=attributes.get(_PROJECT), domain=attributes.get(_DOMAIN), name=attributes.get(_EXECUTION)
    )


def _is_lasting(error: RPCError) -> bool:
    """Whether Temporal would give the same answer to the same start again, until somebody changes its configuration."""
    # A request above gRPC's own limit is answered as if a quota were exhausted.
    return error.status in _LASTING or "larger than max" in error.message


def _lineage(argument: execution_pb2.ExecutionInput) -> dict[str, str]:
    """Return the memo of an execution that reuses what succeeded in another one."""
    if not argument.HasField("recovered_from"):
        return {}
    name = "forked_from" if argument.HasField("reused") else "recovered_from"
    return {name: ":".join(identifiers.execution_key(argument.recovered_from))}


def _task_timeout(argument: execution_pb2.ExecutionInput) -> timedelta:
    is_small = argument.WhichOneof("graph") == "inline_graph" and len(argument.inline_graph) <= SMALL_GRAPH_BYTES
    return TASK_TIMEOUT if is_small else LONG_TASK_TIMEOUT


def _priority(argument: execution_pb2.ExecutionInput) -> Priority:
    """Return the priority of a workflow. Temporal passes it on to its activities, its children and its next runs."""
    return Priority(priority_key=argument.settings.priority or None)


def _search_attributes(argument: execution_pb2.ExecutionInput) -> TypedSearchAttributes:
    values = {
        workflows.SEARCH_PROJECT: argument.execution_id.project,
        workflows.SEARCH_DOMAIN: argument.execution_id.domain,
        workflows.SEARCH_EXECUTION: argument.execution_id.name,
        workflows.SEARCH_WORKFLOW: argument.workflow_id.name,
    }
    return TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword(k), v) for k, v in values.items()])
