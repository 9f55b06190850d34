"""Workflows with hostile values, run by the engine: every execution ends, and no workflow task fails."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from flyteidl.core import literals_pb2, workflow_pb2
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from flytetemporal.compiler import task
from flytetemporal.compiler.compact import compact
from flytetemporal.compiler.workflow import compile_workflow
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import bounds
from tests.fixtures import templates as t
from tests.fixtures.engine_runs import EngineRuns, integer
from tests.fixtures.waiting import bounded
from tests.fuzz.messages import messages, mutations

TRIED = 100
# All executions end then, whatever they wait for.
LONGEST = execution_pb2.ExecutionSettings(timeout={"seconds": 10})
TASK_TYPES = ["python-task", "python-task", "echo", "core-sleep", "container_array"]
TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
N0 = t.bind("a", t.promise("n0", "o0"))


@dataclass(frozen=True, slots=True)
class Run:
    """A graph, the inputs of its execution, and the outputs of its tasks."""

    graph: graph_pb2.Graph
    inputs: literals_pb2.LiteralMap
    outputs: literals_pb2.LiteralMap


def template() -> workflow_pb2.WorkflowTemplate:
    """Return a valid workflow with a node of every kind that needs no admin."""
    first = t.node("n0")
    first.metadata.timeout.seconds, first.metadata.retries.retries = 30, 2
    branch = t.branch("b0", t.case(t.node("c", [N0])), otherwise=t.node("d"), inputs=[t.bind(".a", N0.binding)])
    array = workflow_pb2.ArrayNode(node=t.node("inner"), min_success_ratio=0.5)
    array.is_original_sub_node_interface.value = True
    elements = t.bind("a", t.listed(N0.binding, t.promise("n1", "o0"), t.const(3)))
    sleep = workflow_pb2.GateNode(sleep=workflow_pb2.SleepCondition(duration={"seconds": 1}))
    approve = workflow_pb2.GateNode(approve=workflow_pb2.ApproveCondition(signal_id="go"))
    number = workflow_pb2.SignalCondition(signal_id="number", type=t.INT, output_variable_name="o0")
    gates = [
        workflow_pb2.Node(id="g0", gate_node=sleep),
        workflow_pb2.Node(id="g1", inputs=[t.bind("o0", N0.binding)], gate_node=approve),
        workflow_pb2.Node(id="g2", gate_node=workflow_pb2.GateNode(signal=number)),
    ]
    mapping = workflow_pb2.Node(id="m0", inputs=[elements], array_node=array)
    nodes = [first, t.node("n1", [N0]), branch, mapping, *gates, t.sub_workflow_node("sub", "inner")]
    bound = [t.bind("r", t.promise("n1", "o0"))]
    return t.workflow(nodes=nodes, bound=bound, outputs={"r": t.INT}, on_failure=t.node("efn"))


def any_message(kind: type[Message]) -> st.SearchStrategy[Any]:
    descriptor: Any = kind.DESCRIPTOR
    return messages(descriptor)


def literal_maps(name: str) -> st.SearchStrategy[literals_pb2.LiteralMap]:
    """Return maps whose entry ``name`` is mostly the integer that is declared."""
    value = st.one_of(st.just(integer(1)), st.just(integer(20)), any_message(literals_pb2.Literal))
    return value.map(lambda literal: literals_pb2.LiteralMap(literals={name: literal}))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Return a run of a workflow in which a few fields have other values.

    Raises:
        InvalidRequest: it would not be registered.
    """
    changed: Any = draw(mutations(template()))
    kind = draw(st.sampled_from(TASK_TYPES))
    inner = t.workflow("inner", nodes=[t.node("i0"), t.node("i1", [t.bind("a", t.promise("i0", "o0"))])])
    run_task = t.task_template()
    run_task.type = kind
    inputs, outputs = draw(literal_maps("a")), draw(literal_maps("o0"))
    for message in (changed, inputs, outputs):
        bounds.check(message)
    graph, _ = compact(compile_workflow(changed, [inner], [task.compile_task(run_task)], []))
    return Run(graph, inputs, outputs)


def collected() -> list[Run]:
    """Return the runs of those workflows that would be registered."""
    found: list[Run] = []

    @settings(max_examples=TRIED, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def collect(data: st.DataObject) -> None:
        with suppress(InvalidRequest):
            found.append(data.draw(runs()))

    collect()
    return found


async def test_no_value_fails_a_workflow_task(temporal: Client) -> None:
    engine, tried = EngineRuns(temporal), collected()
    yes = literals_pb2.Literal(scalar={"primitive": {"boolean": True}})
    engine.signals.update(go=yes, number=integer(3))
    outputs: dict[str, literals_pb2.LiteralMap] = {}

    async def answer(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        name = attempt.node_event.id.execution_id.name
        while name not in outputs:  # noqa: ASYNC110  its start has not returned yet
            await asyncio.sleep(0.01)
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=outputs[name]))

    engine.default_script = answer
    async with engine.workers():
        for run in tried:
            handle = await engine.start(run.graph, run.inputs, settings=LONGEST)
            outputs[handle.id.rpartition(":")[2]] = run.outputs
        for run, handle in zip(tried, engine.handles, strict=True):
            await bounded(engine.wait(handle))
            history = await handle.fetch_history()
            assert all(event.event_type != TASK_FAILED for event in history.events), str(run)

    assert engine.handles
