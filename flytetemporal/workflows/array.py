"""ArrayWorkflow: a row of elements of an array node that has too many for one history."""

import asyncio
import contextlib

from temporalio import workflow

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import arrays_pb2, graph_pb2, operations_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import cancellation
from flytetemporal.workflows.array_report import ArrayReport
from flytetemporal.workflows.node.children import Children
from flytetemporal.workflows.node.graph import Body, ParsedGraph
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.run import Program, Run, Scope
from flytetemporal.workflows.node.signals import SignalBoard
from flytetemporal.workflows.node.wait_registry import WaitingRoom
from flytetemporal.workflows.nodes import elements
from flytetemporal.workflows.nodes.elements import Elements, Row
from flytetemporal.workflows.walk import Abort


@workflow.defn(name=workflows.ARRAY_WORKFLOW, sandboxed=False)
class ArrayWorkflow:
    """Runs a row of elements, tells of them by itself, and gathers what they leave."""

    def __init__(self) -> None:
        self._waits = WaitingRoom()

    @workflow.query(name=workflows.QUERY_WAITS)
    def waits(self, node_id: str) -> operations_pb2.Waits:
        """Say what one element, or every element that has not ended, waits for."""
        return self._waits.answer(node_id)

    @workflow.run
    async def run(self, argument: arrays_pb2.ArrayInput) -> arrays_pb2.ElementsOutcome:
        """Run the row to its end. It is cancelled when the array is stopped; failed elements do not fail it."""
        run = Run(argument.execution, signals=SignalBoard(), children=Children(), waits=self._waits)
        row = _row(argument, run)
        report = ArrayReport(row.node, argument.task.id)
        run.reports.start()
        try:
            async with report.telling():
                outcome = await Elements(row, report, Abort()).run()
        finally:
            report.flush()
            with contextlib.suppress(asyncio.CancelledError):
                await cancellation.settled([asyncio.create_task(run.reports.close())])
        if outcome.failed <= argument.tolerated:
            uri = locations.part_uri(row.node.output_dir(), row.first)
            await elements.gather(row.node, argument.task.output_names, row.first, outcome.attempts, uri)
        return outcome


def _row(argument: arrays_pb2.ArrayInput, run: Run) -> Row:
    program = Program(ParsedGraph((), ()), argument.execution.tasks)
    body = Body(graph_pb2.WorkflowGraph(), (), (), (), {})
    node = NodeRun(
        scope=Scope(run, program, body, argument.execution.metadata_dir),
        node=argument.node,
        id=argument.node_id,
        data_dir=argument.data_dir,
        event=argument.node_event,
        attempt=argument.attempt,
    )
    return Row(
        node=node,
        task=argument.task,
        plan=argument.plan,
        first=argument.first,
        count=argument.count,
        tolerated=argument.tolerated,
        window=argument.window,
    )
