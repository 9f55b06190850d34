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
        started = time.perf_counter()
        literals = literals_pb2.LiteralMap(literals={key: _literal(value) for key, value in inputs.items()})
        spec = execution_pb2.ExecutionSpec(launch_plan=self._plan(name), max_parallelism=max_parallelism)
        if map_batch:
            spec.annotations.values["flytetemporal.io/map-batch"] = str(map_batch)
        created = await self._admin.CreateExecution(
            execution_pb2.ExecutionCreateRequest(project=PROJECT, domain=DOMAIN, inputs=literals, spec=spec)
        )
        request = execution_pb2.WorkflowExecutionGetRequest(id=created.id)
        while True:
            execution = await self._admin.GetExecution(request)
            if execution.closure.phase in TERMINAL:
                break
            pause = max(POLL_SECONDS, POLL_SHARE * (time.perf_counter() - started))
            await asyncio.sleep(min(pause, LONGEST_POLL_SECONDS))
        seconds = time.perf_counter() - started
        if execution.closure.phase != core_execution_pb2.WorkflowExecution.SUCCEEDED:
            raise RuntimeError(f"{name} did not succeed: {execution.closure.error.message[-1500:]}")
        return Finished(created.id, seconds)

    async def median(self, name: str, *, repeat: int = 3, warm_up: int = 1) -> float:
        """Return the median seconds of ``repeat`` runs after ``warm_up`` runs that do not count."""
        for _ in range(warm_up):
            await self.run(name)
        return statistics.median([(await self.run(name)).seconds for _ in range(repeat)])

    async def all_at_once(self, name: str, count: int, inputs: Inputs = NO_INPUTS) -> float:
        """Return the seconds until ``count`` executions started together have all succeeded."""
        started = time.perf_counter()
        await asyncio.gather(*(self.run(name, inputs) for _ in range(count)))
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


def _literal(value: int | timedelta) -> literals_pb2.Literal:
    primitive = literals_pb2.Primitive()
    if isinstance(value, timedelta):
        primitive.duration.FromTimedelta(value)
    else:
        primitive.integer = value
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=primitive))
