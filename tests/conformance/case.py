"""Cases of the programs in this folder: an entity to run, its inputs, and the expected result."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flyteidl.admin import common_pb2, execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.service import admin_pb2_grpc
from flytekit.remote.remote import FlyteRemote

WorkflowPhase, NodePhase, TaskPhase = (
    core_execution_pb2.WorkflowExecution,
    core_execution_pb2.NodeExecution,
    core_execution_pb2.TaskExecution,
)
ENDED = (WorkflowPhase.SUCCEEDED, WorkflowPhase.FAILED, WorkflowPhase.ABORTED, WorkflowPhase.TIMED_OUT)
WAIT_SECONDS = 240.0
PAGE = 200
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


@dataclass(frozen=True)
class Run:
    """A run of a case, with what a client can read of it and do to it."""

    remote: FlyteRemote
    id: ExecutionId
    version: str
    http_url: str
    admin: admin_pb2_grpc.AdminServiceStub

    @property
    def execution(self) -> execution_pb2.Execution:
        return self.execution_of(self.id)

    def execution_of(self, execution_id: ExecutionId) -> execution_pb2.Execution:
        found: execution_pb2.Execution = self.admin.GetExecution(
            execution_pb2.WorkflowExecutionGetRequest(id=execution_id)
        )
        return found

    def nodes(self, parent: str = "", of: ExecutionId | None = None) -> dict[str, node_execution_pb2.NodeExecution]:
        """Return the nodes of one level: the top one, or that below ``parent``."""
        listed = self.admin.ListNodeExecutions(
            node_execution_pb2.NodeExecutionListRequest(
                workflow_execution_id=of or self.id, unique_parent_id=parent, limit=PAGE
            )
        )
        return {node.id.node_id: node for node in listed.node_executions}

    def attempts(self, node_id: str) -> list[task_execution_pb2.TaskExecution]:
        node = identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=self.id)
        listed = self.admin.ListTaskExecutions(
            task_execution_pb2.TaskExecutionListRequest(node_execution_id=node, limit=PAGE)
        )
        return sorted(listed.task_executions, key=lambda task: task.id.retry_attempt)

    def data(self, node_id: str) -> node_execution_pb2.NodeExecutionGetDataResponse:
        """Return a node's inputs and outputs, and the workflow that a dynamic node has made."""
        node = identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=self.id)
        found: node_execution_pb2.NodeExecutionGetDataResponse = self.admin.GetNodeExecutionData(
            node_execution_pb2.NodeExecutionGetDataRequest(id=node)
        )
        return found

    def labelled(self, label: str, value: str) -> list[execution_pb2.Execution]:
        """Return the executions that carry a label."""
        listed = self.admin.ListExecutions(
            common_pb2.ResourceListRequest(
                id=common_pb2.NamedEntityIdentifier(project=self.id.project, domain=self.id.domain),
                limit=PAGE,
                filters=f"eq(execution_tag.key,{label})+eq(execution_tag.value,{value})",
            )
        )
        return list(listed.executions)

    def child_of(self, node_id: str) -> ExecutionId:
        """Return the execution that a launch plan node launched."""
        child: ExecutionId = self.nodes()[node_id].closure.workflow_node_metadata.executionId
        assert child.name, f"{node_id} has launched nothing"
        return child

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"{self.id.name}: {what} never happened"
            time.sleep(0.3)

    def until_running(self, node_id: str) -> None:
        def runs() -> bool:
            node = self.nodes().get(node_id)
            return node is not None and node.closure.phase == NodePhase.RUNNING

        self.until(runs, f"that {node_id} runs")


@dataclass(frozen=True)
class Case:
    """A run. ``outputs`` are compared with all outputs; ``error`` is a part of the text of the error or the abort.

    ``launched`` is passed to ``FlyteRemote.execute``. ``during`` acts on the run like a user, and ``check`` checks what only
    the API shows.
    """

    entity: Any
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    phase: str = "SUCCEEDED"
    code: str = ""
    error: str = ""
    launched: Mapping[str, Any] = field(default_factory=dict)
    during: Callable[[Run], None] | None = None
    check: Callable[[Run], None] | None = None
