"""A node that would fail and waits for an operator instead, and a node that ends with outputs that an operator gave."""

from flytetemporal.contracts.v1 import continuation_pb2, edits_pb2, operations_pb2
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import NodeFailure, Values

# What belongs to an attempt that has failed, and what the node waited for.
_CLEARED = (
    "attempt_began_at", "wakes_at", "launched", "asked", "dynamic", "cache", "retry_at", "last_error", "held",
    "clock", "attempt_clock",
)  # fmt: skip


def may_hold(node: NodeRun) -> bool:
    """Whether a node that fails waits for an operator."""
    return node.scope.may_hold and node.scope.run.edits.holds_failures and node.node.WhichOneof("target") != "end"


async def decided(node: NodeRun, failure: NodeFailure, *, timed_out: bool) -> Values | None:
    """Hold a node that has failed until an operator decides; return the outputs that it ends with.

    None: it runs again, in another attempt that no budget pays for, and its time starts anew.

    Raises:
        NodeFailure: the run no longer holds failures.
    """
    run, progress = node.scope.run, node.progress
    progress.held.CopyFrom(
        continuation_pb2.HeldNode(error=failure.error, timed_out=timed_out, checkpoint_uri=failure.checkpoint_uri)
    )
    # Other nodes can use the slot for as long as it takes.
    run.parallelism.give_back(node.id)
    hold = operations_pb2.HoldWait(error=failure.error, execution=node.execution_id.name)
    async with node.idle(lambda wait: wait.hold.CopyFrom(hold)):
        await run.edits.decided(node.id)
    skip = run.edits.take_skip(node.id)
    if skip is not None:
        return skipped(node, skip)
    if not run.edits.take_retry(node.id):
        raise failure
    for name in _CLEARED:
        progress.ClearField(name)
    progress.attempt += 1
    progress.began_at.CopyFrom(runs.now())
    async with node.idle(lambda wait: wait.slot.CopyFrom(run.parallelism.wait())):
        await run.parallelism.take(node.id)
    return None


def skipped(node: NodeRun, skip: edits_pb2.SkippedNode) -> Values:
    """End a node with given outputs. It has SUCCEEDED for clients, which look for outputs in no other phase."""
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = skip.uri
    if not node.progress.HasField("began_at"):
        event.ClearField("input_uri")  # They were never resolved.
    if node.node.WhichOneof("target") == "task":
        event.task_node_metadata.SetInParent()
    node.report(event)
    return Values(skip.literals if skip.HasField("literals") else None, skip.uri)
