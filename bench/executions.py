"""Runs registered workflows through admin's gRPC API, and times them as a client sees them."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import grpc
from flyteidl.admin import execution_pb2, node_execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import admin_pb2_grpc

from flytetemporal.cli.commands import fork
from flytetemporal.contracts.v1 import fork_pb2

PROJECT, DOMAIN = "flytesnacks", "development"
TERMINAL = {
    core_execution_pb2.WorkflowExecution.SUCCEEDED,
    core_execution_pb2.WorkflowExecution.FAILED,
    core_execution_pb2.WorkflowExecution.ABORTED,
    core_execution_pb2.WorkflowExecution.TIMED_OUT,
}
MAX_PARALLELISM = 1000
PAGE = 100
# Polling costs CPU on the same two cores, so longer runs are polled less often.
POLL_SECONDS = 0.005
POLL_SHARE = 0.05
LONGEST_POLL_SECONDS = 1.0

# In these a node has not started.
WAITING = {core_execution_pb2.NodeExecution.UNDEFINED, core_execution_pb2.NodeExecution.QUEUED}

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
Inputs = Mapping[str, int | timedelta]
NO_INPUTS: Inputs = {}


@dataclass(frozen=True, slots=True)
class Finished:
    """An execution that has succeeded; ``seconds`` are those since the request."""

    id: identifier_pb2.WorkflowExecutionIdentifier
    seconds: float


class Executions:
    """A client of a stack; ``version`` is the version under which the flows are registered."""

    def __init__(self, endpoint: str, version: str) -> None:
        self._channel = grpc.aio.insecure_channel(endpoint)
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._version = version

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def run(
        self, name: str, inputs: Inputs = NO_INPUTS, *, max_parallelism: int = MAX_PARALLELISM, map_batch: int = 0
    ) -> Finished:
        """Run the workflow ``name``; of its map tasks ``map_batch`` elements may share a process.

        Raises:
            RuntimeError: it did not succeed.
        """
        execution, seconds = await self._ended(name, inputs, max_parallelism, map_batch)
        _check(name, execution)
        return Finished(execution.id, seconds)

    async def fail(self, name: str) -> ExecutionId:
        """Run the workflow ``name``, which fails.

        Raises:
            RuntimeError: it did not fail.
        """
        execution, _ = await self._ended(name, NO_INPUTS)
        if execution.closure.phase != core_execution_pb2.WorkflowExecution.FAILED:
            raise RuntimeError(f"{name} did not fail")
        return execution.id

    async def recover(self, source: ExecutionId) -> ExecutionId:
        """Recover an execution."""
        request = execution_pb2.ExecutionRecoverRequest(id=source)
        answer: execution_pb2.ExecutionCreateResponse = await self._admin.RecoverExecution(request)
        return answer.id

    async def fork(self, source: ExecutionId) -> ExecutionId:
        """Fork an execution."""
        call = self._channel.unary_unary(
            fork.FORK,
            request_serializer=fork_pb2.ForkRequest.SerializeToString,
            response_deserializer=fork_pb2.ForkResponse.FromString,
        )
        answer: fork_pb2.ForkResponse = await call(fork_pb2.ForkRequest(execution_id=source))
        return answer.execution_id

    async def until_it_runs(self, execution_id: ExecutionId, node_id: str) -> None:
        """Return when a node has started."""
        node = identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=execution_id)
        request = node_execution_pb2.NodeExecutionGetRequest(id=node)
        while True:
            try:
                found = await self._admin.GetNodeExecution(request)
            except grpc.aio.AioRpcError as e:
                if e.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
            else:
                if found.closure.phase not in WAITING:
                    return
            await asyncio.sleep(POLL_SECONDS)

    async def _ended(
        self, name: str, inputs: Inputs, max_parallelism: int = MAX_PARALLELISM, map_batch: int = 0
    ) -> tuple[execution_pb2.Execution, float]:
        """Run the workflow ``name`` to its end; return its record, and the seconds since the request."""
        started = time.perf_counter()
        identifier = await self._launch(name, inputs, max_parallelism, map_batch)
        execution = await self._end(identifier, started)
        return execution, time.perf_counter() - started

    async def _launch(
        self, name: str, inputs: Inputs, max_parallelism: int = MAX_PARALLELISM, map_batch: int = 0
    ) -> ExecutionId:
        literals = literals_pb2.LiteralMap(literals={key: _literal(value) for key, value in inputs.items()})
        spec = execution_pb2.ExecutionSpec(launch_plan=self._plan(name), max_parallelism=max_parallelism)
        if map_batch:
            spec.annotations.values["flytetemporal.io/map-batch"] = str(map_batch)
        request = execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, inputs=literals, spec=spec)
        identifier: ExecutionId = (await self._admin.CreateExecution(request)).id
        return identifier

    async def _end(self, identifier: ExecutionId, started: float) -> execution_pb2.Execution:
        """Return an execution once it has ended; the longer it has run, the less often it is read."""
        request = execution_pb2.WorkflowExecutionGetRequest(id=identifier)
        while True:
            execution: execution_pb2.Execution = await self._admin.GetExecution(request)
            if execution.closure.phase in TERMINAL:
                return execution
            pause = max(POLL_SECONDS, POLL_SHARE * (time.perf_counter() - started))
            await asyncio.sleep(min(pause, LONGEST_POLL_SECONDS))

    async def median(self, name: str, *, repeat: int = 3, warm_up: int = 1) -> float:
        """Return the median seconds of ``repeat`` runs after ``warm_up`` runs that do not count."""
        for _ in range(warm_up):
            await self.run(name)
        return statistics.median([(await self.run(name)).seconds for _ in range(repeat)])

    async def all_at_once(self, name: str, count: int, inputs: Inputs = NO_INPUTS) -> float:
        """Return the seconds until ``count`` executions started together have all succeeded."""
        started = time.perf_counter()
        launched = await asyncio.gather(*(self._launch(name, inputs) for _ in range(count)))
        # One after another: with a poll by each of them, admin would do little else than answer.
        for identifier in launched:
            execution = await self._end(identifier, time.perf_counter())
            _check(name, execution)
        return time.perf_counter() - started

    async def page_of_nodes(self, finished: Finished, parent: str = "") -> tuple[float, int]:
        """Return the seconds that listing the first page of nodes below ``parent`` takes, and the number of nodes."""
        request = node_execution_pb2.NodeExecutionListRequest(
            workflow_execution_id=finished.id, unique_parent_id=parent, limit=PAGE
        )
        started = time.perf_counter()
        page = await self._admin.ListNodeExecutions(request)
        return time.perf_counter() - started, len(page.node_executions)

    def _plan(self, name: str) -> identifier_pb2.Identifier:
        return identifier_pb2.Identifier(
            resource_type=identifier_pb2.LAUNCH_PLAN, project=PROJECT, domain=DOMAIN, name=name, version=self._version
        )


def _check(name: str, execution: execution_pb2.Execution) -> None:
    if execution.closure.phase != core_execution_pb2.WorkflowExecution.SUCCEEDED:
        raise RuntimeError(f"{name} did not succeed: {execution.closure.error.message[-1500:]}")


def _literal(value: int | timedelta) -> literals_pb2.Literal:
    primitive = literals_pb2.Primitive()
    if isinstance(value, timedelta):
        primitive.duration.FromTimedelta(value)
    else:
        primitive.integer = value
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))
