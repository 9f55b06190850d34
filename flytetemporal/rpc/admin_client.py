"""The gRPC client with which workers call admin."""

from collections.abc import Iterator, Sequence

from flyteidl.admin import (
    common_pb2,
    execution_pb2,
    launch_plan_pb2,
    node_execution_pb2,
    signal_pb2,
    task_execution_pb2,
)
from flyteidl.core import identifier_pb2

from flytetemporal.contracts.v1 import events_pb2, task_tokens_pb2
from flytetemporal.rpc.client import Client, Tokens
from flytetemporal.rpc.tls import ClientFiles

RECORD_EVENTS = "/flytetemporal.v1.EventService/RecordEvents"
ISSUE_TASK_TOKEN = "/flytetemporal.v1.OperationsService/IssueTaskToken"  # noqa: S105  a path
GET_LAUNCH_PLAN = "/flyteidl.service.AdminService/GetLaunchPlan"
CREATE_EXECUTION = "/flyteidl.service.AdminService/CreateExecution"
GET_EXECUTION = "/flyteidl.service.AdminService/GetExecution"
LIST_NODE_EXECUTIONS = "/flyteidl.service.AdminService/ListNodeExecutions"
GET_NODE_EXECUTION = "/flyteidl.service.AdminService/GetNodeExecution"
LIST_TASK_EXECUTIONS = "/flyteidl.service.AdminService/ListTaskExecutions"
TERMINATE_EXECUTION = "/flyteidl.service.AdminService/TerminateExecution"
GET_OR_CREATE_SIGNAL = "/flyteidl.service.SignalService/GetOrCreateSignal"
# Admin accepts larger messages, but a batch is one transaction, and shorter transactions hold locks for less time.
BATCH_BYTES = 3 * 1024 * 1024


class AdminClient(Client):
    """Client of admin."""

    def __init__(self, endpoint: str, files: ClientFiles | None = None, tokens: Tokens | None = None) -> None:
        super().__init__(endpoint, files, tokens)
        self._task_token = self.method(ISSUE_TASK_TOKEN, task_tokens_pb2.IssueTaskTokenResponse)
        self._record = self.method(RECORD_EVENTS, events_pb2.RecordEventsResponse)
        self._signal = self.method(GET_OR_CREATE_SIGNAL, signal_pb2.Signal)
        self._launch_plan = self.method(GET_LAUNCH_PLAN, launch_plan_pb2.LaunchPlan)
        self._create = self.method(CREATE_EXECUTION, execution_pb2.ExecutionCreateResponse)
        self._execution = self.method(GET_EXECUTION, execution_pb2.Execution)
        self._nodes = self.method(LIST_NODE_EXECUTIONS, node_execution_pb2.NodeExecutionList)
        self._node = self.method(GET_NODE_EXECUTION, node_execution_pb2.NodeExecution)
        self._tasks = self.method(LIST_TASK_EXECUTIONS, task_execution_pb2.TaskExecutionList)
        self._terminate = self.method(TERMINATE_EXECUTION, execution_pb2.ExecutionTerminateResponse)

    async def record_events(self, events: Sequence[events_pb2.Event], *, tentative: bool = False) -> None:
        """Send events of one execution, oldest first; sending them again changes nothing.

        Raises:
            NotFound: admin does not know the execution.
            FailedPrecondition: they end it, are ``tentative``, and an abort or a pause is on its way.
            Unavailable: admin does not answer.
        """
        for batch in _batches(events):
            await self._record(events_pb2.RecordEventsRequest(events=batch, tentative=tentative))

    async def issue_task_token(self, node: identifier_pb2.NodeExecutionIdentifier, attempt: int) -> str:
        """Return a token with which the code of a task attempt calls admin.

        Raises:
            FailedPrecondition: the execution has ended, or admin has no sign-in.
            Unavailable: admin does not answer.
        """
        request = task_tokens_pb2.IssueTaskTokenRequest(node_execution_id=node, attempt=attempt)
        return (await self._task_token(request)).token

    async def get_or_create_signal(self, request: signal_pb2.SignalGetOrCreateRequest) -> signal_pb2.Signal:
        """Return a signal; create it with the given type if it does not exist.

        Raises:
            Unavailable: admin does not answer.
        """
        return await self._signal(request)

    async def get_launch_plan(self, identifier: identifier_pb2.Identifier) -> launch_plan_pb2.LaunchPlan:
        """Return a launch plan.

        Raises:
            NotFound: it does not exist.
            Unavailable: admin does not answer.
        """
        return await self._launch_plan(common_pb2.ObjectGetRequest(id=identifier))

    async def create_execution(self, request: execution_pb2.ExecutionCreateRequest) -> None:
        """Launch an execution.

        Raises:
            AlreadyExists: an execution of this name was launched before.
            FlyteError: it cannot be launched, at the moment (``Unavailable``) or at all.
        """
        await self._create(request)

    async def get_execution(self, identifier: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.Execution:
        """Return an execution.

        Raises:
            NotFound: it does not exist.
            Unavailable: admin does not answer.
        """
        return await self._execution(execution_pb2.WorkflowExecutionGetRequest(id=identifier))

    async def list_node_executions(
        self, request: node_execution_pb2.NodeExecutionListRequest
    ) -> node_execution_pb2.NodeExecutionList:
        """Return a page of the nodes of one level of an execution.

        Raises:
            NotFound: the execution or the parent node does not exist.
            Unavailable: admin does not answer.
        """
        return await self._nodes(request)

    async def get_node_execution(
        self, identifier: identifier_pb2.NodeExecutionIdentifier
    ) -> node_execution_pb2.NodeExecution:
        """Return a node.

        Raises:
            NotFound: it does not exist.
            Unavailable: admin does not answer.
        """
        return await self._node(node_execution_pb2.NodeExecutionGetRequest(id=identifier))

    async def list_task_executions(
        self, request: task_execution_pb2.TaskExecutionListRequest
    ) -> task_execution_pb2.TaskExecutionList:
        """Return a page of the task executions of a node.

        Raises:
            NotFound: the node does not exist.
            Unavailable: admin does not answer.
        """
        return await self._tasks(request)

    async def terminate_execution(self, request: execution_pb2.ExecutionTerminateRequest) -> None:
        """Abort an execution.

        Raises:
            NotFound: it does not exist.
            FailedPrecondition: it has ended.
            Unavailable: admin does not answer.
        """
        await self._terminate(request)


def _batches(events: Sequence[events_pb2.Event]) -> Iterator[list[events_pb2.Event]]:
    batch: list[events_pb2.Event] = []
    size = 0
    for event in events:
        size += event.ByteSize()
        if batch and size > BATCH_BYTES:
            yield batch
            batch, size = [], event.ByteSize()
        batch.append(event)
    if batch:
        yield batch
