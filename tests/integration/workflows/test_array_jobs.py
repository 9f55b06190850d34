"""Tasks of type container_array: arrays whose elements pick their own from the inputs of all."""

from typing import Any

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import literals_pb2

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures.engine_runs import EngineRuns, failed, integer, succeeded
from tests.integration.workflows.test_arrays import array, lists, task_phases

ErrorKind = core_execution_pb2.ExecutionError
NONE = literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


def job(size: int | None = None, **options: Any) -> graph_pb2.Graph:
    graph = array(job=graph_pb2.ArrayJob(), **options)
    if size is not None:
        graph.workflows[0].nodes[2].array.job.size.value = size
    return graph


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    """Add one to the element's own item of the list ``a``; fail if it is negative."""

    async def add(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        values, _ = await engine_runs.elements.inputs(attempt.inputs.element)
        own = values.literals["a"].collection.literals[attempt.element.index].scalar.primitive.integer
        return failed("Negative") if own < 0 else succeeded(o0=own + 1)

    engine_runs.default_script = add
    return engine_runs


async def test_a_job_is_as_large_as_its_lists_and_one_task_to_clients(runs: EngineRuns) -> None:
    inputs = lists(a=[1, 2, 3])
    inputs.literals["shared"].CopyFrom(integer(5))
    async with runs.workers():
        phase = await runs.outcome(job(), inputs)

    assert phase == "SUCCEEDED"
    assert runs.outputs() == lists(o0=[2, 3, 4])
    assert (task_phases(runs)[0], task_phases(runs)[1], task_phases(runs)[-1]) == ("QUEUED", "RUNNING", "SUCCEEDED")
    assert {event.task_type for event in runs.task_events} == {"container_array"}
    event = next(event for event in runs.node_events if event.id.node_id == "n0")
    assert (event.is_array, event.target_entity.name) == (False, "t")
    attempt = next(attempt for attempt in runs.attempts if attempt.element.index == 2)
    assert attempt.inputs.element.whole_uri == event.input_uri
    assert not attempt.inputs.element.listed
    assert attempt.output_dir.endswith("/n0/data/0/2/0")


async def test_the_oldest_jobs_say_how_large_they_are(runs: EngineRuns) -> None:
    async def index(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return succeeded(o0=attempt.element.index)

    runs.default_script = index
    async with runs.workers():
        phase = await runs.outcome(job(size=4, min_successes=4), lists(a=[]))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == lists(o0=[0, 1, 2, 3])


async def test_so_many_may_fail_as_the_ratio_says(runs: EngineRuns) -> None:
    async with runs.workers():
        phase = await runs.outcome(job(min_success_ratio=0.5), lists(a=[1, -1, 3, -3]))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == lists(o0=[2, NONE, 4, NONE])


async def test_each_element_is_tried_again_for_itself(runs: EngineRuns) -> None:
    add = runs.default_script

    async def second_time(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.element.index == 1 and attempt.attempt == 0:
            return failed("Flaky", recoverable=True)
        return await add(attempt)

    runs.default_script = second_time
    graph = job()
    graph.workflows[0].nodes[2].array.node.retries = 1
    async with runs.workers():
        phase = await runs.outcome(graph, lists(a=[1, 2]))

    assert phase == "SUCCEEDED"
    assert sorted((one.element.index, one.attempt) for one in runs.attempts) == [(0, 0), (1, 0), (1, 1)]


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (lists(a=[1], b=[1, 2]), "a has 1, b has 2"),
        (literals_pb2.LiteralMap(literals={"a": integer(1)}), "no input is a list"),
    ],
)
async def test_inputs_that_make_no_elements_fail_the_node(
    runs: EngineRuns, inputs: literals_pb2.LiteralMap, words: str
) -> None:
    async with runs.workers():
        phase = await runs.outcome(job(inputs=sorted(inputs.literals)), inputs)

    assert phase == "FAILED"
    error = runs.workflow_events[-1].error
    assert (error.code, error.kind) == ("ARRAY_JOB_GENERIC_FAILURE", ErrorKind.SYSTEM)
    assert words in error.message
