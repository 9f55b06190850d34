"""The only door from admin to Temporal: start and cancel ``ExecutionWorkflow``."""

from datetime import timedelta

import temporalio.exceptions
from flyteidl.core import identifier_pb2
from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import NotFound, Unavailable
from flytetemporal.idl import identifiers, naming

# So long a worker that died with a workflow task holds its run up; a replay of 10,000 events takes 7 s at most.
TASK_TIMEOUT = timedelta(seconds=30)


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
        handle = self._client.get_workflow_handle(naming.temporal_workflow_id(execution_id))
        try:
            await handle.cancel(reason=reason)
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND:
                raise NotFound(f"no workflow runs for execution {execution_id.name}") from e
            raise Unavailable(f"Temporal did not take the abort of {execution_id.name}: {e.message}") from e


def _search_attributes(argument: execution_pb2.ExecutionInput) -> TypedSearchAttributes:
    values = {
        workflows.SEARCH_PROJECT: argument.execution_id.project,
        workflows.SEARCH_DOMAIN: argument.execution_id.domain,
        workflows.SEARCH_EXECUTION: argument.execution_id.name,
        workflows.SEARCH_WORKFLOW: argument.workflow_id.name,
    }
    return TypedSearchAttributes([SearchAttributePair(SearchAttributeKey.for_keyword(k), v) for k, v in values.items()])
