"""A client of a running stack for the end-to-end tests: runs programs with pyflyte, reads executions back."""

import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import admin_pb2_grpc
from google.protobuf.json_format import MessageToDict

from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS

PROGRAMS = Path(__file__).parent / "programs"
PROJECT, DOMAIN = "flytesnacks", "development"
Phase = core_execution_pb2.WorkflowExecution
TERMINAL = (Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT)
RETRIED = json.dumps(
    {
        "methodConfig": [
            {
                "name": [{}],
                "retryPolicy": {
                    "maxAttempts": 5,
                    "initialBackoff": "0.2s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
)


@dataclass(frozen=True)
class Client:
    stack: RunningStack
    admin: admin_pb2_grpc.AdminServiceStub

    def start(
        self, program: str, workflow: str, *arguments: str, options: Sequence[str] = ()
    ) -> identifier_pb2.WorkflowExecutionIdentifier:
        """Start a program with stock pyflyte, without waiting for its end; ``options`` are those of ``pyflyte run``."""
        name = f"e2e{secrets.token_hex(6)}"
        done = self.stack.pyflyte(
            "run", "--remote", "-p", PROJECT, "-d", DOMAIN, "--name", name, *options, f"{program}.py", workflow,
            *arguments, cwd=PROGRAMS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)

    def execution(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.Execution:
        found: execution_pb2.Execution = self.admin.GetExecution(
            execution_pb2.WorkflowExecutionGetRequest(id=execution_id)
        )
        return found

    def wait(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.Execution:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            try:
                execution = self.execution(execution_id)
                if execution.closure.phase in TERMINAL:
                    return execution
            except grpc.RpcError as e:
                if getattr(e, "code", lambda: None)() is not grpc.StatusCode.UNAVAILABLE:
                    raise
            if time.monotonic() > deadline:
                raise AssertionError(f"{execution_id.name} has not ended after {HANG_SECONDS} s")
            time.sleep(0.1)

    def run(self, program: str, workflow: str, *arguments: str) -> execution_pb2.Execution:
        return self.wait(self.start(program, workflow, *arguments))

    def outputs(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> dict[str, object]:
        """Return the primitive outputs by name."""
        data = self.admin.GetExecutionData(execution_pb2.WorkflowExecutionGetDataRequest(id=execution_id))
        return {name: primitive(literal) for name, literal in data.full_outputs.literals.items()}

    def nodes(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier
    ) -> dict[str, node_execution_pb2.NodeExecution]:
        listed = self.admin.ListNodeExecutions(
            node_execution_pb2.NodeExecutionListRequest(workflow_execution_id=execution_id, limit=1000)
        )
        return {node.id.node_id: node for node in listed.node_executions}

    def attempts(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, node_id: str = "n0"
    ) -> list[task_execution_pb2.TaskExecution]:
        node = identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution_id)
        listed = self.admin.ListTaskExecutions(
            task_execution_pb2.TaskExecutionListRequest(node_execution_id=node, limit=100)
        )
        return sorted(listed.task_executions, key=lambda task: task.id.retry_attempt)


def primitive(literal: literals_pb2.Literal) -> object:
    """Return a primitive's value; 64-bit integers as int."""
    kind = literal.scalar.primitive.WhichOneof("value")
    if kind == "integer":
        return literal.scalar.primitive.integer
    return next(iter(MessageToDict(literal.scalar.primitive).values()), None)


@contextmanager
def connected(stack: RunningStack) -> Iterator[Client]:
    with grpc.insecure_channel(stack.grpc_endpoint, options=[("grpc.service_config", RETRIED)]) as channel:
        yield Client(stack, admin_pb2_grpc.AdminServiceStub(channel))
