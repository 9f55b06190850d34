"""Cached outputs of dynamic nodes: looked up by the attempt, stored when the workflow that it generated has ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

from flyteidl.core import catalog_pb2
from flyteidl.event import event_pb2
from temporalio import exceptions, workflow
from temporalio.common import RetryPolicy

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import caching_pb2, execution_pb2
from flytetemporal.workflows import cancellation, engine_activities
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.outcomes import Values
from flytetemporal.workflows.versions import Patch

# Half of the time for which the attempt and each extension reserve the key.
EXTEND_EVERY = timedelta(seconds=15)
# What cannot be stored must not hold up the node for long.
_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=3)


def keep(node: NodeRun, result: execution_pb2.TaskAttemptResult) -> None:
    """Keep how an attempt that has generated a workflow has used the cache."""
    if result.HasField("cache") and workflow.patched(Patch.CACHED_DYNAMICS):
        node.progress.cache.CopyFrom(result.cache)


def recover(node: NodeRun) -> None:
    """Keep, in a recovery, that the outputs are to be stored if the task is cached. The attempt does not run again."""
    if workflow.patched(Patch.CACHED_DYNAMICS):
        node.progress.cache.SetInParent()


@contextlib.asynccontextmanager
async def reserved(node: NodeRun, attempt: execution_pb2.TaskAttempt) -> AsyncIterator[None]:
    """Keep others from computing the same while the block runs, if the attempt has reserved that."""
    acquired = catalog_pb2.CatalogReservation.RESERVATION_ACQUIRED
    if node.progress.cache.reservation_status != acquired:
        yield
        return
    extending = asyncio.create_task(_extend(node, attempt))
    try:
        yield
    finally:
        await cancellation.cancel_and_wait([extending])


async def store(node: NodeRun, attempt: execution_pb2.TaskAttempt, outputs: Values) -> event_pb2.TaskNodeMetadata:
    """Store the outputs; return what the event of the node's success says of the cache."""
    request = _request(node, attempt)
    if outputs.literals is None:
        request.outputs.uri = outputs.uri
    else:
        request.outputs.literals.CopyFrom(outputs.literals)
    await node.scope.run.payload_budget.reserve(request.ByteSize())
    try:
        stored = await engine_activities.execute(
            activities.store_outputs, request, retry_policy=_RETRY, summary=f"cached outputs of {node.id}"
        )
    except exceptions.ActivityError as e:
        if exceptions.is_cancelled_exception(e) or cancellation.is_cancelled():
            raise
        workflow.logger.warning("cannot store the outputs of a dynamic node in the cache", exc_info=True)
        failed = event_pb2.TaskNodeMetadata()
        if request.cache.HasField("catalog_key"):
            failed.CopyFrom(request.cache)
            failed.cache_status = catalog_pb2.CACHE_PUT_FAILURE
        return failed
    return stored.cache


async def _extend(node: NodeRun, attempt: execution_pb2.TaskAttempt) -> None:
    while True:
        await workflow.sleep(EXTEND_EVERY, summary=f"reservation of {node.id}")
        request = _request(node, attempt)
        await node.scope.run.payload_budget.reserve(request.ByteSize())
        try:
            await engine_activities.execute(
                activities.extend_reservation, request, retry_policy=_RETRY, summary=f"reservation of {node.id}"
            )
        except exceptions.ActivityError as e:
            if exceptions.is_cancelled_exception(e) or cancellation.is_cancelled():
                raise
            # It may expire, and another attempt then computes the same.
            workflow.logger.warning("cannot extend the reservation of a dynamic node", exc_info=True)


def _request(node: NodeRun, attempt: execution_pb2.TaskAttempt) -> caching_pb2.CachedNode:
    return caching_pb2.CachedNode(attempt=attempt, cache=node.progress.cache)
