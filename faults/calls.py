"""Calls of admin that are repeated until there is an answer, as clients repeat them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from flyteidl.core import identifier_pb2

PROJECT, DOMAIN = "flytesnacks", "development"
TRANSIENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
POLL_SECONDS = 0.5
CALL_SECONDS = 20.0


def execution_id(name: str) -> identifier_pb2.WorkflowExecutionIdentifier:
    """Return the id of an execution of the suite."""
    return identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)


async def retried(call: Callable[[], Awaitable[Any]], expected: set[str]) -> str:
    """Call until there is an answer; return the status name of an expected refusal, or an empty text."""
    while True:
        try:
            await call()
        except grpc.aio.AioRpcError as e:
            if e.code().name in expected:
                return e.code().name
            if e.code() not in TRANSIENT:
                raise
            await asyncio.sleep(POLL_SECONDS)
        else:
            return ""
