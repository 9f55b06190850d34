"""Queries answer what every node waits for."""

import asyncio

import pytest
from temporalio import activity

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2, operations_pb2
from flytetemporal.workflows.execution import ExecutionWorkflow
from tests.fixtures.engine_runs import EngineRuns, body, constant, int_map, succeeded, task_node, task_summary
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import nested, signal_node, single
from tests.integration.workflows.test_aborts import Handle, attempts, waits_for


async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    await asyncio.sleep(60)
    return succeeded(o0=0)


async def answer(handle: Handle, node_id: str = "") -> dict[str, operations_pb2.Wait]:
    found = await handle.query(ExecutionWorkflow.waits, node_id)
    return {wait.node_id: wait for wait in found.waits}


async def test_running_queued_and_waiting_nodes_are_told_apart(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = for_ever
    nodes = [
        task_node("n0", [0], [constant("a", 1)]),
        task_node("n1", [0], [constant("a", 1)]),
        task_node("n2", [2, 3], [constant("a", 1)]),
    ]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(), max_parallelism=1)
        await bounded(attempts(runs, 1))
        found = await answer(handle)
        only = await answer(handle, "n1")
        await handle.cancel()
        await runs.wait(handle)

    assert set(found) == {"n0", "n1", "n2", "end-node"}
    assert found["n0"].attempt.activity_id == "n0/0"
    assert (found["n1"].slot.limit_name, list(found["n1"].slot.holders)) == ("max_parallelism", ["n0"])
    assert list(found["n2"].nodes.node_ids) == ["n0", "n1"]
    assert set(only) == {"n1"}


async def test_a_gate_names_its_signal(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(single(signal_node("n0", [0], "number")), int_map())
        await bounded(waits_for(handle, "n0", "signal"))
        found = await answer(handle, "n0")
        await handle.cancel()
        await runs.wait(handle)

    assert found["n0"].signal.signal_id == "number"
    assert found["n0"].since.seconds > 0


async def test_a_signal_is_named_when_it_can_be_set(engine_runs: EngineRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, known, read_signal = engine_runs, asyncio.Event(), engine_runs.read_signal

    @activity.defn(name="read_signal")
    async def late(request: execution_pb2.SignalRequest) -> execution_pb2.SignalState:
        await known.wait()
        return await read_signal(request)

    monkeypatch.setattr(runs, "read_signal", late)

    async with runs.workers():
        handle = await runs.start(single(signal_node("n0", [0], "number")), int_map())
        await bounded(waits_for(handle, "n0", "engine"))
        before = await answer(handle, "n0")
        known.set()
        await bounded(waits_for(handle, "n0", "signal"))
        await handle.cancel()
        await runs.wait(handle)

    assert before["n0"].engine.work == "signal number"


async def test_a_subworkflow_names_what_runs_below_it(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = for_ever

    async with runs.workers():
        handle = await runs.start(nested(), int_map(a=1))
        await bounded(attempts(runs, 1))
        found = await answer(handle)
        await handle.cancel()
        await runs.wait(handle)

    assert list(found["n0"].nested.node_ids) == ["n0-0-n0"]
    assert found["n0-0-n0"].WhichOneof("cause") == "attempt"
    assert list(found["n0-0-end-node"].nodes.node_ids) == ["n0-0-n0"]


async def test_a_run_that_has_ended_waits_for_nothing(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(nested(), int_map(a=1))
        await runs.wait(handle)
        found = await answer(handle)

    assert found == {}
