"""Temporal's answers: their errors become ours, and so do activities that run and the ends of workflows."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.contracts.encryption import EncryptingCodec
from flytetemporal.contracts.v1 import execution_pb2, operations_pb2
from flytetemporal.errors import InvalidRequest, NotFound, Unavailable
from flytetemporal.idl import times

T = TypeVar("T")
_ACTIVITY_STATES = {
    PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED: operations_pb2.AttemptWait.SCHEDULED,
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED: operations_pb2.AttemptWait.RUNNING,
    PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED: operations_pb2.AttemptWait.CANCEL_REQUESTED,
}


@dataclass(frozen=True, slots=True)
class PendingActivity:
    """An activity of a running workflow that has not ended.

    ``tries`` counts Temporal's tries, the current one included. ``due_at`` is when a worker may take the next try.
    ``last_failure`` is the text of the last try's error, None if no try has failed.
    ``waits_for`` is what the activity says that it waits for, ``remark`` what else it says of the attempt that runs.
    """

    state: operations_pb2.AttemptWait.State
    due_at: datetime
    started_at: datetime | None = None
    tries: int = 1
    last_failure: str | None = None
    waits_for: str = ""
    remark: str = ""


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


def pending_activity(found: PendingActivityInfo) -> PendingActivity:
    """Return a pending activity without Temporal's types."""
    # Temporal clears the planned time once it has passed. The time of scheduling is the best that is left.
    planned = found.HasField("next_attempt_schedule_time")
    return PendingActivity(
        state=_ACTIVITY_STATES.get(found.state, operations_pb2.AttemptWait.UNKNOWN),
        due_at=times.moment(found.next_attempt_schedule_time if planned else found.scheduled_time),
        started_at=times.moment(found.last_started_time) if found.HasField("last_started_time") else None,
        tries=max(1, found.attempt),
        last_failure=found.last_failure.message if found.HasField("last_failure") else None,
        waits_for=_note(found.heartbeat_details.payloads, 1),
        remark=_note(found.heartbeat_details.payloads, 2),
    )


def _note(details: Sequence[Payload], position: int) -> str:
    """Return what a task's activity has noted with its last heartbeat (``activities/task_runs``)."""
    noted = details[position : position + 1]
    is_plain = any(payload.metadata.get("encoding") == b"binary/plain" for payload in noted)
    return noted[0].data.decode(errors="replace") if is_plain else ""


def outcome(cause: BaseException) -> execution_pb2.ExecutionOutcome:
    """Return how a workflow ended that did not return an outcome, by the error that it ended with."""
    match cause:
        case CancelledError():
            return _aborted("The workflow was cancelled in Temporal.")
        case TerminatedError():
            return _aborted(f"The workflow was terminated in Temporal: {cause}")
        case ApplicationError():
            return failed(cause.type or "Unknown", cause.message)
        case _:
            return failed(type(cause).__name__, str(cause))


def _aborted(text: str) -> execution_pb2.ExecutionOutcome:
    error = core_execution_pb2.ExecutionError(message=text)
    return execution_pb2.ExecutionOutcome(phase=core_execution_pb2.WorkflowExecution.ABORTED, error=error)


def failed(code: str, text: str) -> execution_pb2.ExecutionOutcome:
    """Return the outcome of an execution that failed with a system error."""
    error = core_execution_pb2.ExecutionError(code=code, message=text, kind=core_execution_pb2.ExecutionError.SYSTEM)
    return execution_pb2.ExecutionOutcome(phase=core_execution_pb2.WorkflowExecution.FAILED, error=error)
