"""Edits on their way to a running workflow, and the workflow's answers."""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

from flyteidl.core import identifier_pb2
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError

from flytetemporal.admin.base.temporal_answers import answer
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import edits_pb2
from flytetemporal.errors import Conflict, FailedPrecondition, FlyteError, InvalidRequest, NotFound, Unavailable

# The worker may have to replay the history before it can answer.
TIMEOUT = timedelta(seconds=15)
ExecutionId = identifier_pb2.WorkflowExecutionIdentifier


async def send(
    handle: WorkflowHandle[Any, Any], execution_id: ExecutionId, command: edits_pb2.EditCommand
) -> edits_pb2.EditResponse:
    """Send an edit to a workflow and return its answer. A repeated command gets the same answer.

    Raises:
        InvalidRequest, NotFound, FailedPrecondition, Conflict: the workflow refuses it, and nothing has changed.
        FailedPrecondition: the workflow does not run.
        Unavailable: no answer came in time; the edit may have been applied.
    """
    digest = hashlib.sha256(command.SerializeToString(deterministic=True)).hexdigest()
    # The same id for the same command: Temporal gives it to the workflow once.
    update_id = f"{command.request_id}:{digest[:16]}"
    try:
        # The client polls for as long as it takes, whatever the timeout of one call.
        return await asyncio.wait_for(_send(handle, execution_id, command, update_id), TIMEOUT.total_seconds())
    except WorkflowUpdateFailedError as e:
        raise _refusal(e.cause, execution_id) from e
    except NotFound as e:
        raise FailedPrecondition(
            f"no workflow runs for execution {execution_id.name}: it has just ended, or has not started; look again"
        ) from e
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError) as e:
        raise Unavailable(
            f"no worker has answered for execution {execution_id.name} within {TIMEOUT.seconds} s; the edit may still "
            f"be applied: repeat it with the same request id, {command.request_id}"
        ) from e


async def _send(
    handle: WorkflowHandle[Any, Any], execution_id: ExecutionId, command: edits_pb2.EditCommand, update_id: str
) -> edits_pb2.EditResponse:
    update = handle.execute_update(workflows.EDIT, command, id=update_id, result_type=edits_pb2.EditResponse)
    try:
        return await answer(update, execution_id)
    except NotFound:
        # The workflow has ended. It may have applied the edit before, and the answer was lost.
        earlier = handle.get_update_handle(update_id, result_type=edits_pb2.EditResponse)
        return await answer(earlier.result(), execution_id)


def _refusal(cause: BaseException | None, execution_id: ExecutionId) -> FlyteError:
    """Return the error with which a workflow refused an edit."""
    refusals = {kind.__name__: kind for kind in (InvalidRequest, NotFound, FailedPrecondition, Conflict)}
    kind = refusals.get(cause.type or "") if isinstance(cause, ApplicationError) else None
    if kind is None or not isinstance(cause, ApplicationError):
        return Unavailable(f"the workflow of execution {execution_id.name} does not answer edits: {cause}")
    return kind(cause.message)
