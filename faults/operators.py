"""Two operators who edit the same execution at once, and what must be recorded of it."""

import asyncio
import json
from pathlib import Path

import grpc
from google.protobuf import wrappers_pb2

from faults.calls import CALL_SECONDS, POLL_SECONDS, execution_id, retried
from flytetemporal.cli.commands import why
from flytetemporal.cli.commands.operators.edits import EDIT
from flytetemporal.contracts.v1 import edits_pb2, operations_pb2

LIST = "/flytetemporal.v1.OperationsService/ListOperatorActions"
# One comes too late: for the revision that both have seen, for the node, or for the whole execution.
REFUSALS = {"ABORTED", "FAILED_PRECONDITION"}


class Operators:
    """They edit through one channel; ``folder`` is where the tasks of the suite look for what is repaired."""

    def __init__(self, channel: grpc.aio.Channel, folder: str) -> None:
        self._folder = Path(folder)
        self._edit = channel.unary_unary(
            EDIT,
            request_serializer=edits_pb2.EditRequest.SerializeToString,
            response_deserializer=edits_pb2.EditResponse.FromString,
        )
        self._explain = channel.unary_unary(
            why.EXPLAIN,
            request_serializer=operations_pb2.ExplainRequest.SerializeToString,
            response_deserializer=operations_pb2.ExplainResponse.FromString,
        )
        self._list = channel.unary_unary(
            LIST,
            request_serializer=edits_pb2.ListOperatorActionsRequest.SerializeToString,
            response_deserializer=edits_pb2.ListOperatorActionsResponse.FromString,
        )

    async def repair(self, name: str, node: str) -> str:
        """Raise the parallelism, then retry and skip a held node at once; return what is wrong, or an empty text."""
        limit = edits_pb2.ExecutionEdit(max_parallelism=wrappers_pb2.UInt32Value(value=3))
        await self._send(edits_pb2.EditRequest(request_id="limit", execution=limit), name)
        await self._held(name, node)
        self._folder.joinpath(f"repaired-{name}").touch()
        seen = wrappers_pb2.UInt64Value(value=1)
        retry = edits_pb2.EditRequest(
            request_id="retry", expected_revision=seen, retry=edits_pb2.RetryNode(node_id=node)
        )
        skip = edits_pb2.EditRequest(
            request_id="skip", expected_revision=seen, skip=edits_pb2.SkipNode(node_id=node, json='{"o0": 1}')
        )
        answers = await asyncio.gather(self._send(retry, name), self._send(skip, name))
        if answers.count("") != 1:
            return f"a retry and a skip of the same revision were answered {answers}"
        winner = (retry, skip)[answers.index("")]
        if await self._send(winner, name):
            return f"a repeated {winner.request_id} was refused"
        return await self._compared(name, winner.request_id)

    async def _send(self, request: edits_pb2.EditRequest, name: str) -> str:
        request.execution_id.CopyFrom(execution_id(name))
        request.edited_by = "faults"
        return await retried(lambda: self._edit(request, timeout=CALL_SECONDS), REFUSALS)

    async def _held(self, name: str, node: str) -> None:
        request = operations_pb2.ExplainRequest(execution_id=execution_id(name))
        found: list[operations_pb2.ExplainResponse] = []

        async def ask() -> None:
            found[:] = [await self._explain(request, timeout=CALL_SECONDS)]

        while not any(wait.node_id == node and wait.HasField("hold") for answer in found for wait in answer.waits):
            await asyncio.sleep(POLL_SECONDS)
            await retried(ask, set())

    async def _compared(self, name: str, winner: str) -> str:
        request = edits_pb2.ListOperatorActionsRequest(execution_id=execution_id(name))
        found: list[edits_pb2.OperatorAction] = []

        async def ask() -> None:
            found[:] = (await self._list(request, timeout=CALL_SECONDS)).actions

        await retried(ask, set())
        applied = [
            (action.request_id, json.loads(action.details)["revision"]) for action in found if not action.unanswered
        ]
        # An edit whose answer was lost and that was refused when it was repeated keeps its record without an answer.
        return "" if applied == [(winner, 2), ("limit", 1)] else f"its edits are recorded as {applied}"
