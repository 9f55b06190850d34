"""ArrayWorkflow: a shard of the elements of an array node that has too many for one history."""

import asyncio
import contextlib

from temporalio import workflow

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import arrays_pb2, edits_pb2, graph_pb2, operations_pb2, pauses_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import cancellation
from flytetemporal.workflows.abort import Abort
from flytetemporal.workflows.array_report import ArrayReport
from flytetemporal.workflows.node.child_outcomes import ChildOutcomes
from flytetemporal.workflows.node.graph import Body, ParsedGraph
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.run import Program, Run, Scope
from flytetemporal.workflows.node.signals import SignalCounts
from flytetemporal.workflows.node.wait_registry import WaitRegistry
from flytetemporal.workflows.nodes import elements
from flytetemporal.workflows.nodes.elements import ArrayShard, Elements
from flytetemporal.workflows.operators.edits import Edits
from flytetemporal.workflows.operators.pauses import Pauses
from flytetemporal.workflows.versions import Patch


@workflow.defn(name=workflows.ARRAY_WORKFLOW, sandboxed=False)
class ArrayWorkflow:
    """Runs a shard of elements, reports them to admin, and gathers their outputs."""

    def __init__(self) -> None:
        self._waits = WaitRegistry()
        self._pauses = Pauses()
        self._edits = Edits()

    @workflow.signal(name=workflows.PAUSES)
    def pauses(self, given: pauses_pb2.Pauses) -> None:
        """Take over the pauses that the execution passes on."""
        if workflow.patched(Patch.PAUSES):
            self._pauses.update(given)

    @workflow.signal(name=workflows.ARRAY_CHANGED)
    def changed(self, given: edits_pb2.Edits) -> None:
        """Take over what an operator has changed of the array."""
        self._edits.take_over(given)

    @workflow.query(name=workflows.QUERY_WAITS)
    def waits(self, node_id: str) -> operations_pb2.Waits:
        """Return what one element, or every element that has not ended, waits for."""
        return self._waits.answer(node_id)

    @workflow.run
    async def run(self, argument: arrays_pb2.ArrayInput) -> arrays_pb2.ElementsOutcome:
        """Run the shard to its end. Failed elements do not fail it; it is cancelled when the array is stopped."""
        run = Run(
            argument.execution,
            signals=SignalCounts(),
            children=ChildOutcomes(),
            waits=self._waits,
            edits=self._edits,
            pauses=self._pauses,
        )
        shard = _shard(argument, run)
        report = ArrayReport(shard.node, argument.task.id)
        run.reports.start()
        try:
            elements_ = Elements(shard, report, Abort())
            with self._edits.followed(shard.node.id, lambda: elements_.change(_window(shard.node, argument.window))):
                async with report.reporting():
                    outcome = await elements_.run()
        finally:
            report.flush()
            # A cancellation must not cut off the last events.
            with contextlib.suppress(asyncio.CancelledError):
                await cancellation.wait_until_done([asyncio.create_task(run.reports.close())])
        if outcome.failed <= argument.tolerated:
            uri = locations.part_uri(shard.node.output_dir(), shard.first)
            await elements.gather(shard.node, argument.task.output_names, shard.first, outcome.attempts, uri)
        return outcome


def _window(node: NodeRun, given: int) -> int:
    """Return how many elements run at once; ``given`` is the number that the shard was started with."""
    return node.changes.max_parallelism.value if node.changes.HasField("max_parallelism") else given


def _shard(argument: arrays_pb2.ArrayInput, run: Run) -> ArrayShard:
    program = Program(ParsedGraph((), ()), argument.execution.tasks)
    body = Body(graph_pb2.WorkflowGraph(), (), (), (), {})
    node = NodeRun(
        scope=Scope(run, program, body, argument.execution.metadata_dir, ancestors=tuple(argument.ancestors)),
        node=argument.node,
        id=argument.node_id,
        data_dir=argument.data_dir,
        event=argument.node_event,
        attempt=argument.attempt,
    )
    return ArrayShard(
        node=node,
        task=argument.task,
        plan=argument.plan,
        first=argument.first,
        count=argument.count,
        tolerated=argument.tolerated,
        window=_window(node, argument.window),
    )
