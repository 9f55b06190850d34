"""Elements of arrays in batches: each is as it is without them, for those who look."""

import asyncio

import pytest
from flyteidl.core import literals_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.nodes import element_batches
from tests.fixtures.engine_runs import EngineRuns, failed, reported, succeeded
from tests.integration.workflows.test_aborts import for_ever
from tests.integration.workflows.test_arrays import array, lists, resources
from tests.integration.workflows.test_waits import answer

NONE = literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


def batched(size: int) -> execution_pb2.ExecutionSettings:
    settings = execution_pb2.ExecutionSettings()
    settings.map_batch.value = size
    return settings


class Running:
    """Counts how many attempts run at once."""

    now = most = 0

    async def slowly(self, attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.1)
        self.now -= 1
        return reported(attempt, "SUCCEEDED", succeeded(o0=1))


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    """Add one to ``a``; fail if it is negative."""

    async def add(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        values, _ = await engine_runs.elements.inputs(attempt.inputs.element)
        a = values.literals["a"].scalar.primitive.integer
        if a < 0:
            return reported(attempt, "FAILED", failed("Negative", recoverable=attempt.attempt == 0))
        return reported(attempt, "SUCCEEDED", succeeded(o0=a + 1))

    engine_runs.default_script = add
    return engine_runs


def sizes(runs: EngineRuns) -> list[int]:
    return sorted(len(batch.attempts) for batch in runs.batches)


async def test_elements_in_batches_are_the_same_as_others(runs: EngineRuns) -> None:
    async with runs.workers():
        assert await runs.outcome(array(), lists(a=range(4))) == "SUCCEEDED"
        assert runs.batches == []
        alone, seen = {attempt.element.index: attempt for attempt in runs.attempts}, resources(runs)
        runs.attempts.clear()
        runs.task_events.clear()
        assert await runs.outcome(array(), lists(a=range(4)), settings=batched(2)) == "SUCCEEDED"

    assert sum(sizes(runs)) == 4
    assert resources(runs) == seen
    assert runs.outputs() == lists(o0=[1, 2, 3, 4])
    for attempt in runs.attempts:
        other = alone[attempt.element.index]
        fields = {field.name for field, _ in attempt.ListFields()}
        assert fields - {"settings"} == {field.name for field, _ in other.ListFields()} - {"settings"}
        assert attempt.inputs.element.position == other.inputs.element.position
        assert attempt.output_dir.split("/", 6)[-1] == other.output_dir.split("/", 6)[-1]


async def test_a_shard_in_batches_is_cut_evenly_and_within_the_limit(runs: EngineRuns) -> None:
    async with runs.workers():
        assert await runs.outcome(array(), lists(a=range(100)), settings=batched(100)) == "SUCCEEDED"
        assert await runs.outcome(array(), lists(a=range(100)), settings=batched(5)) == "SUCCEEDED"

    assert sizes(runs) == [5] * 20 + [9] + [13] * 7


async def test_several_rows_in_batches_run_to_their_end(runs: EngineRuns) -> None:
    async with runs.workers():
        handle = await runs.start(array(), lists(a=range(700)), settings=batched(100))
        assert await runs.wait(handle) == "SUCCEEDED"

    runs.handles.append(runs.client.get_workflow_handle(f"{handle.id}:n0:0:500"))
    assert runs.outputs() == lists(o0=range(1, 701))
    assert set(resources(runs).values()) == {"SUCCEEDED"}
    assert len(runs.batches) <= 2 * (element_batches.LEAST_BATCHES + 1)


async def test_an_element_in_a_batch_is_tried_again_by_itself(runs: EngineRuns) -> None:
    graph = array(graph_pb2.Node(id="n0", retries=3, task=graph_pb2.TaskNode(task=0)), min_successes=7)

    async with runs.workers():
        assert await runs.outcome(graph, lists(a=[1, 2, 3, -1, 5, 6, 7, 8]), settings=batched(2)) == "SUCCEEDED"

    assert runs.outputs() == lists(o0=[2, 3, 4, NONE, 6, 7, 8, 9])
    assert {key: phase for key, phase in resources(runs).items() if key[0] == 3} == {(3, 0): "FAILED", (3, 1): "FAILED"}
    assert [len(runs.attempts), sum(sizes(runs))] == [9, 9]


async def test_what_a_batch_gives_back_runs_in_smaller_ones(runs: EngineRuns) -> None:
    runs.batch_time = 2

    async with runs.workers():
        assert await runs.outcome(array(), lists(a=range(40)), settings=batched(100)) == "SUCCEEDED"

    assert runs.outputs() == lists(o0=range(1, 41))
    assert len(runs.attempts) == 40
    assert sizes(runs)[-1] == 5


async def test_batches_are_as_large_as_the_time_of_elements_allows(runs: EngineRuns) -> None:
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 1
    runs.batch_seconds = [1.0, 10.0, 0.1, 0.1]

    async with runs.workers():
        assert await runs.outcome(graph, lists(a=range(40)), settings=batched(4)) == "SUCCEEDED"

    assert [len(batch.attempts) for batch in runs.batches][:5] == [4, 4, 1, 4, 4]


async def test_elements_that_cannot_share_a_process_run_alone_within_the_concurrency(runs: EngineRuns) -> None:
    runs.alone = True
    running = Running()
    runs.default_script = running.slowly
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 2
    async with runs.workers():
        assert await runs.outcome(graph, lists(a=range(6)), settings=batched(3)) == "SUCCEEDED"

    assert running.most == 2
    assert sorted(attempt.element.index for attempt in runs.attempts) == list(range(6))


async def test_no_more_batches_run_at_once_than_elements_may(runs: EngineRuns) -> None:
    running = Running()
    runs.default_script = running.slowly
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 2
    async with runs.workers():
        assert await runs.outcome(graph, lists(a=range(16)), settings=batched(2)) == "SUCCEEDED"

    assert running.most == 2


async def test_an_abort_stops_elements_in_batches_and_those_that_wait(runs: EngineRuns) -> None:
    runs.default_script = for_ever
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 2
    async with runs.workers():
        handle = await runs.start(graph, lists(a=range(16)), settings=batched(2))
        while len(runs.attempts) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await handle.cancel()
        assert await runs.wait(handle) == "ABORTED"

    assert runs.phases()["n0"][-1] == "ABORTED"
    assert resources(runs) == {(index, 0): "ABORTED" for index in range(16)}


async def test_too_many_failures_stop_the_batches(runs: EngineRuns) -> None:
    add = runs.default_script

    async def waits(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await (add if attempt.element.index in (2, 3) else for_ever)(attempt)

    runs.default_script = waits
    async with runs.workers():
        assert await runs.outcome(array(), lists(a=[0, 1, -2, 3, 4, 5]), settings=batched(1 + 1)) == "FAILED"

    error = runs.workflow_events[-1].error
    assert error.message == "[2]: [1/1] currentAttempt done. Last Error: USER::Negative happened\n"
    assert {index: phase for (index, _), phase in resources(runs).items()}[5] == "ABORTED"


async def test_those_who_ask_hear_which_activity_an_element_in_a_batch_waits_for(runs: EngineRuns) -> None:
    runs.default_script = for_ever
    async with runs.workers():
        handle = await runs.start(array(), lists(a=range(16)), settings=batched(2))
        while not runs.attempts:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        found = await answer(handle)
        await handle.cancel()
        await runs.wait(handle)

    wait = found["n0-0-n1"].attempt
    assert (wait.activity_id, wait.attempt) == ("n0-0-n0/batch-1", 0)
    assert wait.task_queue == f"fte-{runs.cluster}-tasks"
