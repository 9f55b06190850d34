"""Graphs that several tests of the engine walk, and scripts of their tasks."""

import asyncio

from flyteidl.core import literals_pb2, types_pb2
from flyteidl.core import workflow_pb2 as core_workflow_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures.engine_runs import (
    EngineRuns,
    TaskScript,
    bind,
    body,
    constant,
    failed,
    plus_one,
    task_node,
    task_summary,
)

INTEGER = types_pb2.LiteralType(simple=types_pb2.SimpleType.INTEGER)


async def boom(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return failed("USER:Boom")


class Door:
    """A script whose attempts wait until it is opened."""

    def __init__(self, then: TaskScript = plus_one) -> None:
        self.opened = asyncio.Event()
        self._then = then

    async def __call__(self, attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await self.opened.wait()
        return await self._then(attempt)


def ran(runs: EngineRuns) -> list[tuple[str, int]]:
    """Return node and number of each attempt, in the order in which they started."""
    return [(attempt.node_event.id.node_id, attempt.attempt) for attempt in runs.attempts]


def seconds(value: float) -> dict[str, int]:
    return {"seconds": int(value), "nanos": int(value % 1 * 1e9)}


def chain(length: int, kind: str = "python-task") -> graph_pb2.Graph:
    """n0 adds one to the input, each further node one to the one before it."""
    nodes = [
        task_node(f"n{i}", [i + 1 if i else 0], [bind("a", f"n{i - 1}" if i else "start-node", "o0" if i else "a")])
        for i in range(length)
    ]
    return graph_pb2.Graph(
        workflows=[body(nodes, [bind("o0", f"n{length - 1}", "o0")])], tasks=[task_summary(kind=kind)]
    )


def sleep_node(node_id: str, upstream: list[int], duration: float) -> graph_pb2.Node:
    gate = core_workflow_pb2.GateNode(sleep=core_workflow_pb2.SleepCondition(duration=seconds(duration)))
    return graph_pb2.Node(id=node_id, name=node_id, upstream=upstream, gate=gate)


def approve_node(
    node_id: str, upstream: list[int], inputs: list[literals_pb2.Binding], signal: str = "go"
) -> graph_pb2.Node:
    gate = core_workflow_pb2.GateNode(approve=core_workflow_pb2.ApproveCondition(signal_id=signal))
    return graph_pb2.Node(id=node_id, name=node_id, upstream=upstream, inputs=inputs, gate=gate)


def signal_node(node_id: str, upstream: list[int], signal: str = "number") -> graph_pb2.Node:
    condition = core_workflow_pb2.SignalCondition(signal_id=signal, type=INTEGER, output_variable_name="o0")
    return graph_pb2.Node(
        id=node_id, name=node_id, upstream=upstream, gate=core_workflow_pb2.GateNode(signal=condition)
    )


def single(node: graph_pb2.Node, outputs: list[literals_pb2.Binding] | None = None) -> graph_pb2.Graph:
    """One node between start and end."""
    return graph_pb2.Graph(workflows=[body([node], outputs or [])], tasks=[task_summary()])


def with_failure_node(graph: graph_pb2.Graph, *, workflow: int = 0) -> graph_pb2.Graph:
    """Add a failure node that takes the workflow's input and the error."""
    node = task_node("fn0", [0], [bind("a", "start-node", "a"), constant("err", 0)])
    graph.workflows[workflow].failure_node.CopyFrom(node)
    return graph


def nested(*inner: graph_pb2.Node) -> graph_pb2.Graph:
    """n0 is a subworkflow of the given nodes, by default of one task that adds one."""
    nodes = list(inner) or [task_node("n0", [0], [bind("a", "start-node", "a")])]
    subworkflow = graph_pb2.Node(
        id="n0", upstream=[0], inputs=[bind("a", "start-node", "a")], subworkflow=graph_pb2.SubworkflowNode(workflow=1)
    )
    outer = body([subworkflow], [])
    return graph_pb2.Graph(workflows=[outer, body(nodes, [], name="inner")], tasks=[task_summary()])
