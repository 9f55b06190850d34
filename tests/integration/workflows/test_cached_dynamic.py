"""Dynamic nodes of cached tasks: the attempt looks the outputs up, and they are stored when its workflow has ended."""

import asyncio
from datetime import timedelta

import pytest
from flyteidl.core import catalog_pb2, identifier_pb2
from flyteidl.event import event_pb2

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.workflows.nodes import cached_dynamic
from tests.fixtures.engine_runs import EngineRuns, TaskScript, bind, constant, failed, int_map, succeeded, task_node
from tests.fixtures.waiting import bounded, eventually
from tests.integration.workflows.graphs import chain
from tests.integration.workflows.test_dynamic import made

Reservation = catalog_pb2.CatalogReservation


def looked_up(*, reserved: bool = False) -> TaskScript:
    """The script of an attempt that found nothing in the cache and generated a workflow."""
    cache = event_pb2.TaskNodeMetadata(cache_status=catalog_pb2.CACHE_MISS)
    cache.catalog_key.artifact_tag.name = "flyte_cached-x"
    if reserved:
        cache.reservation_status = Reservation.RESERVATION_ACQUIRED

    async def script(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return execution_pb2.TaskAttemptResult(dynamic=True, cache=cache)

    return script


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    engine_runs.scripts["n0"] = looked_up()
    engine_runs.dynamic["n0"] = made(task_node("dn0", [0], [constant("a", 40)]))
    return engine_runs


def last_event(runs: EngineRuns, node_id: str) -> event_pb2.NodeExecutionEvent:
    return [event for event in runs.node_events if event.id.node_id == node_id][-1]


async def test_the_outputs_of_a_dynamic_node_are_stored_in_the_cache(runs: EngineRuns) -> None:
    async with runs.workers():
        phase = await runs.outcome(chain(2), int_map(a=1))

    assert phase == "SUCCEEDED"
    (stored,) = runs.stored
    assert stored.attempt.generated_name == runs.attempts[0].generated_name
    assert stored.attempt.inputs == runs.attempts[0].inputs
    assert stored.outputs.literals == int_map(o0=41)
    ended = last_event(runs, "n0")
    assert ended.task_node_metadata.cache_status == catalog_pb2.CACHE_POPULATED
    assert ended.task_node_metadata.catalog_key.artifact_tag.name == "flyte_cached-x"
    assert runs.extended == []


async def test_a_dynamic_node_whose_workflow_fails_stores_nothing(runs: EngineRuns) -> None:
    async def fails(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return failed("Boom")

    runs.scripts["dn0"] = fails

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "FAILED"
    assert runs.stored == []


async def test_a_cache_that_fails_does_not_fail_a_dynamic_node(runs: EngineRuns) -> None:
    runs.store_failure = ValueError("a defect")

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert last_event(runs, "n0").task_node_metadata.cache_status == catalog_pb2.CACHE_PUT_FAILURE


def until(done: asyncio.Event) -> TaskScript:
    async def script(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await done.wait()
        return succeeded(o0=5)

    return script


async def test_the_reservation_of_a_dynamic_node_is_extended_while_its_workflow_runs(
    runs: EngineRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached_dynamic, "EXTEND_EVERY", timedelta(milliseconds=100))
    done = asyncio.Event()
    runs.scripts |= {"n0": looked_up(reserved=True), "dn0": until(done)}

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(eventually(lambda: len(runs.extended) >= 2))
        done.set()
        phase = await bounded(runs.wait(handle))

    assert phase == "SUCCEEDED"
    assert runs.extended[0].attempt.generated_name == runs.attempts[0].generated_name
    assert len(runs.stored) == 1


async def test_a_dynamic_node_is_stored_in_a_later_run_of_its_execution(runs: EngineRuns) -> None:
    runs.history_events = 60
    nodes = [task_node("dn0", [0], [constant("a", 0)])]
    nodes += [task_node(f"dn{i}", [i + 1], [bind("a", f"dn{i - 1}", "o0")]) for i in range(1, 12)]
    runs.dynamic["n0"] = made(*nodes, output="dn11")

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))
        histories = await runs.histories(runs.handles[0])

    assert phase == "SUCCEEDED"
    assert len(histories) > 1
    (stored,) = runs.stored
    assert stored.attempt.inputs == runs.attempts[0].inputs
    assert stored.outputs.literals == int_map(o0=12)


async def test_a_recovered_dynamic_node_is_stored_though_its_attempt_did_not_run(runs: EngineRuns) -> None:
    futures = "memory://store/metadata/propeller/p-d-old/n0/data/0/futures.pb"
    runs.recovered_from = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="old")
    runs.earlier[""] = [execution_pb2.EarlierNode(node_id="n0", futures_uri=futures)]

    async with runs.workers():
        phase = await runs.outcome(chain(1), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.node_event.spec_node_id for attempt in runs.attempts] == ["dn0"]
    (stored,) = runs.stored
    assert stored.outputs.literals == int_map(o0=41)
