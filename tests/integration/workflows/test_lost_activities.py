"""Activities of a worker that died are started on another one when their heartbeats stop."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from flyteidl.core import literals_pb2
from google.protobuf import duration_pb2
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.history.v1 import HistoryEvent

from flytetemporal.activities import heartbeats
from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import graph_pb2
from tests.fixtures.engine_runs import EngineRuns, Files, bind, body, constant, int_map, task_node, task_summary
from tests.integration.workflows.graphs import signal_node, single
from tests.integration.workflows.test_dynamic import made, returns_a_workflow
from tests.integration.workflows.test_launch_plans import launching


def mapped(node_id: str, upstream: int) -> graph_pb2.Node:
    """A map over one element."""
    node = graph_pb2.Node(id=node_id, upstream=[upstream], inputs=[constant("a", 0)])
    node.inputs[0].binding.collection.bindings.add().scalar.primitive.integer = 1
    node.array.CopyFrom(graph_pb2.ArrayNode(node=graph_pb2.Node(id=node_id, task=graph_pb2.TaskNode(task=0))))
    return node


def of_every_kind() -> graph_pb2.Graph:
    """A task, a map, a dynamic node, a gate and a launch plan, one after another."""
    number = [bind("a", "start-node", "a")]
    launched = launching().workflows[0].nodes[2]
    launched.id = "n4"
    launched.upstream[:] = [5]
    nodes = [
        task_node("n0", [0], number),
        mapped("n1", 2),
        task_node("n2", [3], number),
        signal_node("n3", [4], "number"),
        launched,
    ]
    return graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n4", "o0")])], tasks=[task_summary()])


async def history(runs: EngineRuns, graph: graph_pb2.Graph) -> Sequence[HistoryEvent]:
    """Run a graph, which succeeds, and return its history."""
    async with runs.workers():
        handle = await runs.start(graph, int_map(a=1))
        phase = await runs.wait(handle)
        [found] = await runs.histories(handle)

    assert phase == "SUCCEEDED"
    return found.events


async def test_every_activity_is_missed_when_nothing_is_heard_of_it(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n2"] = returns_a_workflow
    runs.dynamic["n2"] = made(task_node("dn0", [0], [constant("a", 40)]))
    runs.children["child"] = single(task_node("c0", [0], [bind("a", "start-node", "a")]), [bind("o0", "c0", "o0")])
    runs.signals["number"] = int_map(a=1).literals["a"]

    events = await history(runs, of_every_kind())

    scheduled = [
        event.activity_task_scheduled_event_attributes
        for event in events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    kinds = {attributes.activity_type.name for attributes in scheduled}
    assert kinds >= {"run_task", "record_events", "plan_array", "gather_elements", "compile_dynamic", "read_signal"}
    assert kinds >= {"launch_child", "copy_outputs"}
    heartbeat = duration_pb2.Duration()
    heartbeat.FromTimedelta(activities.HEARTBEAT_TIMEOUT)
    assert [
        attributes.activity_type.name for attributes in scheduled if attributes.heartbeat_timeout != heartbeat
    ] == []


async def test_another_worker_does_what_a_dead_one_had_begun(
    engine_runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, tries = engine_runs, 0
    monkeypatch.setattr(activities, "HEARTBEAT_TIMEOUT", timedelta(seconds=1))
    monkeypatch.setattr(heartbeats, "BEATS_PER_TIMEOUT", 1e-6)  # The worker is silent, as if it were dead.
    write = Files.write_message

    async def lost_once(self: Files, uri: str, message: literals_pb2.LiteralMap) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await asyncio.Event().wait()
        await write(self, uri, message)

    monkeypatch.setattr(Files, "write_message", lost_once)

    events = await history(runs, single(mapped("n0", 0)))

    started = [event.activity_task_started_event_attributes for event in events]
    causes = [each.last_failure.timeout_failure_info.timeout_type for each in started if each.attempt > 1]
    assert causes == [TimeoutType.TIMEOUT_TYPE_HEARTBEAT]
