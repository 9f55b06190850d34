"""A shard of the elements of a large array, run in a workflow of its own (``workflows/array``)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from temporalio import exceptions, workflow
from temporalio.workflow import ParentClosePolicy

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import arrays_pb2, edits_pb2, execution_pb2, graph_pb2
from flytetemporal.idl import naming
from flytetemporal.workflows import cancellation
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.nodes.elements import ArrayShard

Handle = workflow.ChildWorkflowHandle[Any, Any]


@dataclass(frozen=True, slots=True)
class Telling:
    """What a shard from element ``first`` on has to hear while it runs: pauses, and changes of its array ``node``.

    ``changed`` has what passes on changes, by first element; ``window`` is the number of elements that run at once now.
    """

    node: NodeRun
    first: int
    changed: dict[int, Callable[[int], None]]
    window: Callable[[], int]

    @contextlib.asynccontextmanager
    async def told(self, shard: Handle, sent: execution_pb2.ExecutionInput) -> AsyncIterator[None]:
        """Pass on changes to a shard's workflow while the block runs. ``sent`` is what it was started with."""
        run, telling = self.node.scope.run, list[asyncio.Task[None]]()

        def tell_pauses() -> None:
            telling.append(asyncio.create_task(_tell(shard, workflows.PAUSES, run.pauses.message)))

        def tell_changes(window: int) -> None:
            found = run.edits.of_shard(self.node.id, window)
            telling.append(asyncio.create_task(_tell(shard, workflows.ARRAY_CHANGED, found)))

        if run.pauses.message.revision > sent.pauses.revision:  # It changed before the shard had started.
            tell_pauses()
        if not self._has(sent.edits):
            tell_changes(self.window())
        self.changed[self.first] = tell_changes
        with run.pauses.followed(tell_pauses):
            yield
        await cancellation.wait_until_done(telling)

    def _has(self, sent: edits_pb2.Edits) -> bool:
        """Whether the shard was started with the changes of the array, and not with earlier ones."""
        now = self.node.scope.run.edits.of_shard(self.node.id, self.window())
        return list(sent.changes) == list(now.changes)


async def run(
    shard: ArrayShard, task: graph_pb2.TaskSummary, telling: Telling, *, interruptible: bool
) -> arrays_pb2.ElementsOutcome:
    """Run a shard in its own workflow."""
    node = shard.node
    execution = execution_pb2.ExecutionInput()
    execution.CopyFrom(node.scope.run.argument)
    for name in ("inline_graph", "stored_graph", "inputs", "parent", "reused"):
        execution.ClearField(name)
    if not node.scope.run.recovery.reuses_elements(node.scope.parent_id, node.id):
        execution.ClearField("recovered_from")
    execution.tasks.CopyFrom(node.scope.program.tasks)
    execution.edits.CopyFrom(node.scope.run.edits.of_shard(node.id, shard.window))
    execution.settings.interruptible.value = interruptible
    pauses = node.scope.run.pauses
    if pauses.message.revision:
        execution.pauses.CopyFrom(pauses.message)
    argument = arrays_pb2.ArrayInput(
        execution=execution,
        node=node.node,
        node_id=node.id,
        data_dir=node.data_dir,
        attempt=node.attempt,
        node_event=node.event,
        task=task,
        plan=shard.plan,
        first=shard.first,
        count=shard.count,
        tolerated=shard.tolerated,
        window=shard.window,
        ancestors=node.scope.ancestors,
    )
    handle = await workflow.start_child_workflow(
        workflows.ARRAY_WORKFLOW,
        argument,
        result_type=arrays_pb2.ElementsOutcome,
        id=f"{naming.temporal_workflow_id(node.execution_id)}:{node.id}:{node.attempt}:{shard.first}",
        # Only a parent that was terminated leaves shards behind; otherwise it waits until they have reported their end.
        parent_close_policy=ParentClosePolicy.TERMINATE,
        cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        task_timeout=workflow.info().task_timeout,
        static_summary=f"{node.id} elements {shard.first} to {shard.first + shard.count - 1}",
    )
    async with telling.told(handle, execution):
        outcome: arrays_pb2.ElementsOutcome = await handle
    return outcome


async def _tell(shard: Handle, signal: str, message: Message) -> None:
    with contextlib.suppress(exceptions.FailureError):  # The shard has ended.
        await shard.signal(signal, message)
