"""Launch, read and abort the executions of launch plan nodes, which admin treats like all others."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from temporalio import activity

from flytetemporal.activities import data
from flytetemporal.activities.arrays import ElementReader
from flytetemporal.activities.offloading import DEFAULTS, Limits, Offloading
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import AlreadyExists, FailedPrecondition, FlyteError, NotFound
from flytetemporal.idl import error_text, literals, locations
from flytetemporal.plugins.transient import PASSING
from flytetemporal.storage.blobs import BlobStore

Error, Phase = core_execution_pb2.ExecutionError, core_execution_pb2.WorkflowExecution
# Inputs above this size are offloaded before a child is launched with them.
CALL_BYTES = 1024 * 1024
TERMINAL = (Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.TIMED_OUT)


class Executions(Protocol):
    """The executions: admin's client, or a dictionary in a test."""

    async def create_execution(self, request: admin_execution_pb2.ExecutionCreateRequest) -> None:
        """Launch an execution; see ``rpc.admin_client``."""

    async def get_execution(
        self, identifier: identifier_pb2.WorkflowExecutionIdentifier
    ) -> admin_execution_pb2.Execution:
        """Return an execution; see ``rpc.admin_client``."""

    async def terminate_execution(self, request: admin_execution_pb2.ExecutionTerminateRequest) -> None:
        """Abort an execution; see ``rpc.admin_client``."""


class ChildActivities:
    """``launch_child`` and the other activities of launch plan nodes in ``contracts/activities``."""

    def __init__(self, blobs: BlobStore, executions: Executions, limits: Limits = DEFAULTS) -> None:
        self._blobs = blobs
        self._offloading = Offloading(blobs, limits)
        self._executions = executions
        self._elements = ElementReader(blobs)

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.launch_child, self.read_child, self.terminate_child, self.copy_outputs]

    @activity.defn
    async def launch_child(self, request: execution_pb2.LaunchRequest) -> execution_pb2.LaunchResult:
        """Launch the execution of a launch plan node, unless it has been launched before."""
        create = request.create
        try:
            create.inputs.CopyFrom(await self._inputs(request))
            await self._executions.create_execution(create)
        except AlreadyExists as e:
            # A repeated activity finds its own execution. Any other of this name is a conflict.
            if not await self._is_ours(create):
                return _refused(e)
        except PASSING:
            raise
        except FlyteError as e:
            return _refused(e)
        return execution_pb2.LaunchResult()

    async def _inputs(self, request: execution_pb2.LaunchRequest) -> literals_pb2.LiteralMap:
        if request.WhichOneof("given") == "element":
            values, _ = await self._elements.inputs(request.element)
            directory = locations.join(locations.parent(request.element.chunk_uri), request.create.name)
        else:
            given = await data.read_outputs(self._blobs, request.inputs)
            if not request.inputs.uri:
                return given
            values = await asyncio.to_thread(literals.copied, given)
            directory = locations.parent(request.inputs.uri)
        # Values that do not fit into a call are passed by reference.
        if await asyncio.to_thread(values.ByteSize) > CALL_BYTES:
            await self._offloading.offload(values, directory)
        return values

    async def _is_ours(self, create: admin_execution_pb2.ExecutionCreateRequest) -> bool:
        """Whether this node has launched the execution that has the name."""
        identifier = identifier_pb2.WorkflowExecutionIdentifier(
            project=create.project, domain=create.domain, name=create.name
        )
        try:
            found = await self._executions.get_execution(identifier)
        except NotFound:
            return False
        return bool(found.spec.metadata.parent_node_execution == create.spec.metadata.parent_node_execution)

    @activity.defn
    async def read_child(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.ChildState:
        """Return the state of a child, with its outcome if it has ended."""
        closure = (await self._executions.get_execution(execution_id)).closure
        state = execution_pb2.ChildState(execution_id=execution_id)
        if closure.phase in TERMINAL:
            state.outcome.phase = closure.phase
            state.outcome.output_uri = closure.outputs.uri
            if closure.HasField("error"):
                state.outcome.error.CopyFrom(closure.error)
        return state

    @activity.defn
    async def terminate_child(self, request: admin_execution_pb2.ExecutionTerminateRequest) -> None:
        """Abort a child. One that has ended or was never launched is no error."""
        try:
            await self._executions.terminate_execution(request)
        except (NotFound, FailedPrecondition):
            return

    @activity.defn
    async def copy_outputs(self, request: execution_pb2.CopyRequest) -> execution_pb2.NodeOutputs:
        """Copy outputs to those of another node, and return them inline if they are small."""
        outputs = await self._blobs.read_message(request.from_uri, literals_pb2.LiteralMap)
        await self._blobs.write_message(request.to_uri, outputs)
        return data.node_outputs(outputs, request.to_uri)


def _refused(error: FlyteError) -> execution_pb2.LaunchResult:
    text = error_text.shortened(error.message)
    return execution_pb2.LaunchResult(error=Error(code="RuntimeExecutionError", message=text, kind=Error.USER))
