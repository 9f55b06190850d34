"""Read the Temporal histories of executions, page by page, as long as Temporal keeps them."""

from flyteidl.core import identifier_pb2
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import History
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client

from flytetemporal.admin.base.temporal_answers import answer, decrypt
from flytetemporal.errors import NotFound
from flytetemporal.idl import naming

# Temporal ends a page earlier if its events are large.
PAGE_EVENTS = 500
LISTED_RUNS = 100

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


class Histories:
    """The histories of the workflow of an execution and of its shards."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def first_run(self, execution_id: ExecutionId, workflow_id: str) -> str:
        """Return the id of a workflow's first run, which Continue-As-New can have followed by others.

        Raises:
            NotFound: Temporal does not know the workflow, or no longer.
            Unavailable: Temporal does not answer.
        """
        description = await answer(self._client.get_workflow_handle(workflow_id).describe(), execution_id)
        return description.raw_description.workflow_execution_info.first_run_id or description.run_id

    async def page(
        self, execution_id: ExecutionId, workflow_id: str, run_id: str, token: bytes = b""
    ) -> tuple[History, bytes]:
        """Return consecutive events of a run, the oldest ones first, and the token of the next page.

        The token is empty if there are no more events now.

        Raises:
            NotFound: Temporal does not know the run, or no longer.
            InvalidRequest: the token is none of Temporal's, or a payload is encrypted with an unknown key.
            Unavailable: Temporal does not answer.
        """
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            maximum_page_size=PAGE_EVENTS,
            next_page_token=token,
        )
        response = await answer(self._client.workflow_service.get_workflow_execution_history(request), execution_id)
        await decrypt(self._client, response.history)
        return response.history, response.next_page_token

    async def delete(self, execution_id: ExecutionId) -> int:
        """Delete some runs of the execution and of its shards; return how many, 0 if Temporal has none any more.

        Raises:
            Unavailable: Temporal does not answer.
        """
        workflow_id = naming.temporal_workflow_id(execution_id)
        quoted = workflow_id.replace("'", "''")
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace,
            page_size=LISTED_RUNS,
            query=f"WorkflowId = '{quoted}' OR WorkflowId STARTS_WITH '{quoted}:'",
        )
        response = await answer(self._client.workflow_service.list_workflow_executions(request), execution_id)
        listed = [found.execution for found in response.executions]
        # The list is late with runs that have just ended; without an id of a run this is the newest one.
        runs = listed or [WorkflowExecution(workflow_id=workflow_id)]
        return sum([await self._delete_run(execution_id, run) for run in runs])

    async def _delete_run(self, execution_id: ExecutionId, run: WorkflowExecution) -> int:
        request = DeleteWorkflowExecutionRequest(namespace=self._client.namespace, workflow_execution=run)
        try:
            await answer(self._client.workflow_service.delete_workflow_execution(request), execution_id)
        except NotFound:
            return 0
        return 1
