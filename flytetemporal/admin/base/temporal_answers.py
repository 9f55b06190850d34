"""Temporal's answers: their errors become ours."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from flyteidl.core import identifier_pb2
from google.protobuf.message import Message
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.contracts.encryption import EncryptingCodec
from flytetemporal.errors import InvalidRequest, NotFound, Unavailable

T = TypeVar("T")


def _is_unknown_namespace(error: RPCError) -> bool:
    """Whether Temporal does not know our namespace, which says nothing of the workflow that was asked for."""
    details = error.grpc_status.details
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in details)


async def answer(call: Awaitable[T], execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> T:
    """Return the answer to a call about the workflow of an execution.

    Raises:
        NotFound: Temporal does not know the workflow.
        InvalidRequest: Temporal refuses the request, and would refuse it again.
        Unavailable: Temporal does not answer.
    """
    try:
        return await call
    except RPCError as e:
        if e.status == RPCStatusCode.NOT_FOUND and not _is_unknown_namespace(e):
            raise NotFound(f"no workflow runs for execution {execution_id.name}") from e
        if e.status == RPCStatusCode.INVALID_ARGUMENT:
            raise InvalidRequest(f"Temporal refuses the request for execution {execution_id.name}: {e.message}") from e
        raise Unavailable(f"Temporal does not answer for execution {execution_id.name}: {e.message}") from e


async def decrypt(client: Client, message: Message) -> None:
    """Decrypt the payloads inside a message of Temporal's, if the client encrypts; they stay compressed.

    Raises:
        InvalidRequest: one is encrypted with an unknown key, or damaged.
    """
    codec = client.data_converter.payload_codec
    if isinstance(codec, EncryptingCodec):
        await asyncio.to_thread(codec.decrypt, message)
