"""Cached tasks: the workflow looks their outputs up before it schedules attempts, many at once."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from flyteidl.core import catalog_pb2, literals_pb2
from temporalio.client import WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.workflows.array import ArrayWorkflow
from flytetemporal.workflows.execution import ExecutionWorkflow
from flytetemporal.workflows.node import cache_lookups
from flytetemporal.workflows.throttling import payload_budget
from tests.fixtures.engine_runs import (
    EngineRuns,
    body,
    constant,
    failed,
    int_map,
    plus_one,
    succeeded,
    task_node,
)
from tests.fixtures.waiting import bounded, eventually
from tests.integration.workflows.graphs import Door, chain, ran
from tests.integration.workflows.test_aborts import for_ever
from tests.integration.workflows.test_arrays import array, lists, resources
from tests.integration.workflows.test_pauses import Operator


def cached(graph: graph_pb2.Graph) -> graph_pb2.Graph:
    """Make the first task of a graph a cached one."""
    graph.tasks[0].discoverable = True
    return graph


def fan(width: int) -> graph_pb2.Graph:
    graph = chain(1)
    graph.workflows[0].CopyFrom(body([task_node(f"n{i}", [0], [constant("a", i)]) for i in range(width)], []))
    return cached(graph)


def one_more(attempt: execution_pb2.TaskAttempt) -> literals_pb2.LiteralMap:
    return int_map(o0=attempt.inputs.literals.literals["a"].scalar.primitive.integer + 1)


def sizes(runs: EngineRuns) -> list[int]:
    return [len(lookups.attempts) for lookups in runs.lookups]


def cache_status(runs: EngineRuns, node_id: str) -> str:
    last = [event for event in runs.node_events if event.id.node_id == node_id][-1]
    return catalog_pb2.CatalogCacheStatus.Name(last.task_node_metadata.cache_status)


def workflow_tasks(history: WorkflowHistory) -> int:
    return sum(event.HasField("workflow_task_completed_event_attributes") for event in history.events)


def commands(history: WorkflowHistory) -> list[list[str]]:
    """Return what each workflow task has left in the history: names of activities, ``lookup`` and others."""
    found: list[list[str]] = []
    for event in history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            found.append([])
        elif event.HasField("activity_task_scheduled_event_attributes"):
            found[-1].append(event.activity_task_scheduled_event_attributes.activity_type.name)
        elif event.marker_recorded_event_attributes.marker_name == "core_local_activity":
            found[-1].append("local")
    return found


async def replay(histories: Sequence[WorkflowHistory]) -> None:
    replayer = Replayer(
        workflows=[ExecutionWorkflow, ArrayWorkflow],
        data_converter=payloads.DATA_CONVERTER,
        workflow_runner=UnsandboxedWorkflowRunner(),
        debug_mode=True,
    )
    for history in histories:
        await replayer.replay_workflow(history)


async def test_nodes_whose_outputs_are_cached_need_no_activity(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(3)), int_map(a=7)))

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=10)
    assert (runs.attempts, sizes(runs)) == ([], [1, 1, 1])
    assert runs.phases()["n1"] == ["QUEUED", "SUCCEEDED"]
    assert {cache_status(runs, f"n{i}") for i in range(3)} == {"CACHE_HIT"}
    assert runs.task_events == []
    (history,) = await runs.histories(runs.handles[0])
    assert workflow_tasks(history) <= 2  # The first report has to end before the last one.


async def test_nodes_that_are_ready_at_once_share_a_lookup(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more

    async with runs.workers():
        phase = await bounded(runs.outcome(fan(30), int_map()))

    assert (phase, runs.attempts, sizes(runs)) == ("SUCCEEDED", [], [30])


async def test_many_nodes_take_several_lookups_and_workflow_tasks(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more
    runs.lookup_milliseconds = 250  # Two of them use up what one workflow task may spend.

    async with runs.workers():
        phase = await bounded(runs.outcome(fan(450), int_map()))
        histories = await runs.histories(runs.handles[0])

    assert (phase, runs.attempts) == ("SUCCEEDED", [])
    assert max(sizes(runs)) <= cache_lookups.MOST
    assert sum(sizes(runs)) >= 450  # A workflow task that times out on a busy machine repeats its lookups.
    assert all(left.count("local") <= 2 for left in commands(histories[0])[:-1])
    await replay(histories)


async def test_a_long_chain_of_cached_nodes_ends_its_workflow_task_now_and_then(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more
    runs.lookup_milliseconds = 100

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(20)), int_map(a=0)))
        histories = await runs.histories(runs.handles[0])

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=20))
    assert all(left.count("local") <= 4 for left in commands(histories[0])[:-1])
    await replay(histories)


async def test_what_lookups_return_is_bounded_in_a_workflow_task(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    large = literals_pb2.Literal(scalar={"primitive": {"string_value": "x" * 15_000}})

    def outputs(attempt: execution_pb2.TaskAttempt) -> literals_pb2.LiteralMap:
        found = one_more(attempt)
        found.literals["large"].CopyFrom(large)
        return found

    runs.cached = outputs

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(180)), int_map(a=0)))
        histories = await runs.histories(runs.handles[0])

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=180))
    assert max(left.count("local") for left in commands(histories[0])) <= payload_budget.BYTES // 15_000 + 1
    await replay(histories)


async def test_nodes_without_cached_outputs_run_and_are_told_of_the_lookup(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = lambda attempt: one_more(attempt) if attempt.node_event.spec_node_id == "n1" else None

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(3)), int_map(a=7)))

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=10))
    assert ran(runs) == [("n0", 0), ("n2", 0)]
    assert all(attempt.HasField("cache_miss") for attempt in runs.attempts)
    assert cache_status(runs, "n1") == "CACHE_HIT"


async def test_a_lookup_does_not_hold_up_attempts_of_other_nodes(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more
    graph = cached(chain(10))
    graph.tasks.add().CopyFrom(graph.tasks[0])
    graph.tasks[1].discoverable = False
    graph.workflows[0].nodes.append(task_node("other", [0], [constant("a", 0)], task=1))
    graph.workflows[0].nodes[1].upstream.append(len(graph.workflows[0].nodes) - 1)

    async with runs.workers():
        phase = await bounded(runs.outcome(graph, int_map(a=0)))
        histories = await runs.histories(runs.handles[0])

    assert phase == "SUCCEEDED"
    first = commands(histories[0])[0]
    assert "run_task" in first
    assert "local" not in first
    await replay(histories)


@pytest.mark.parametrize("problem", ["failure", "slow"])
async def test_after_a_lookup_that_failed_or_was_slow_attempts_look_by_themselves(
    engine_runs: EngineRuns, problem: str
) -> None:
    runs = engine_runs
    runs.lookup_failure = ApplicationError("no") if problem == "failure" else None
    runs.lookup_milliseconds = 5000 if problem == "slow" else 0

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(3)), int_map(a=7)))
        histories = await runs.histories(runs.handles[0])

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=10))
    assert len(runs.lookups) == 1
    assert [attempt.HasField("cache_miss") for attempt in runs.attempts] == [problem == "slow", False, False]
    await replay(histories)


async def test_lookups_are_made_again_after_a_while(engine_runs: EngineRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_lookups, "PAUSE", timedelta(milliseconds=1))
    runs = engine_runs
    runs.lookup_failure = ApplicationError("no")

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(3)), int_map(a=7)))

    assert (phase, len(runs.lookups)) == ("SUCCEEDED", 3)


async def test_an_execution_that_overwrites_the_cache_looks_nothing_up(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more
    settings = execution_pb2.ExecutionSettings(overwrite_cache=True)

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(2)), int_map(a=7), settings=settings))

    assert (phase, runs.lookups, len(runs.attempts)) == ("SUCCEEDED", [], 2)


async def test_inputs_that_do_not_travel_are_left_to_the_attempt(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more

    async def by_reference(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        result = await plus_one(attempt)
        uri = f"memory://store/{attempt.generated_name}"
        runs.files[uri] = result.outputs.literals
        result.outputs.uri = uri
        return result

    runs.scripts["n0"] = by_reference
    runs.scripts["n1"] = lambda _: _done(succeeded(o0=1))
    graph = cached(chain(2))
    graph.tasks.add().CopyFrom(graph.tasks[0])
    graph.tasks[1].discoverable = False
    graph.workflows[0].nodes[2].task.task = 1

    async with runs.workers():
        phase = await bounded(runs.outcome(graph, int_map(a=7)))

    assert (phase, runs.lookups, ran(runs)) == ("SUCCEEDED", [], [("n0", 0), ("n1", 0)])


async def _done(result: execution_pb2.TaskAttemptResult) -> execution_pb2.TaskAttemptResult:
    return result


async def test_an_attempt_that_failed_is_looked_up_again(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = lambda attempt: one_more(attempt) if attempt.attempt == 1 else None
    runs.scripts["n0"] = lambda _: _done(failed("Boom", recoverable=True))
    graph = cached(chain(1))
    graph.tasks[0].retries = 1

    async with runs.workers():
        phase = await bounded(runs.outcome(graph, int_map(a=7)))

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=8))
    assert ran(runs) == [("n0", 0)]
    assert runs.phases()["n0"][-1] == "SUCCEEDED"


async def test_elements_of_a_map_are_looked_up_together(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = lambda attempt: None if attempt.element.index == 2 else int_map(o0=10 + attempt.element.index)
    runs.default_script = lambda _: _done(succeeded(o0=0))

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(array()), lists(a=range(5))))
        histories = await runs.histories(runs.handles[0])

    assert (phase, runs.outputs()) == ("SUCCEEDED", lists(o0=[10, 11, 0, 13, 14]))
    assert sizes(runs) == [5]
    assert [attempt.element.index for attempt in runs.attempts] == [2]
    assert runs.attempts[0].HasField("cache_miss")
    assert {index for (index, _), end in resources(runs).items() if end == "SUCCEEDED"} == {0, 1, 3, 4}
    await replay(histories)


async def test_cached_elements_are_in_no_batch(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = lambda attempt: int_map(o0=7) if attempt.element.index % 2 else None
    runs.default_script = lambda _: _done(succeeded(o0=0))
    settings = execution_pb2.ExecutionSettings()
    settings.map_batch.value = 10

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(array()), lists(a=range(40)), settings=settings))

    assert (phase, runs.outputs()) == ("SUCCEEDED", lists(o0=[7 if i % 2 else 0 for i in range(40)]))
    batched = [attempt for batch in runs.batches for attempt in batch.attempts]
    assert sorted(attempt.element.index for attempt in batched) == list(range(0, 40, 2))
    assert all(attempt.HasField("cache_miss") for attempt in batched)


async def test_elements_of_a_large_map_are_looked_up_in_their_shards(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = lambda attempt: int_map(o0=attempt.element.index)

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(array()), lists(a=range(520))))

    assert (phase, runs.attempts) == ("SUCCEEDED", [])
    assert runs.outputs() == lists(o0=range(520))
    assert sum(sizes(runs)) == 520


async def test_an_abort_ends_a_run_whose_lookup_hangs(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.catalog_answers.clear()
    runs.scripts["n0"] = for_ever  # The lookup ends first, since the abort waits for its workflow task.

    async with runs.workers():
        handle = await runs.start(cached(chain(1)), int_map(a=1))
        await bounded(eventually(lambda: bool(runs.lookups)))
        await handle.cancel()
        phase = await bounded(runs.wait(handle))
        histories = await runs.histories(handle)

    assert (phase, runs.phases()["n0"]) == ("ABORTED", ["QUEUED", "ABORTED"])
    await replay(histories)


async def test_a_paused_run_looks_nothing_up(engine_runs: EngineRuns) -> None:
    runs, door = engine_runs, Door()
    runs.cached = lambda attempt: None if attempt.node_event.spec_node_id == "n0" else one_more(attempt)
    runs.scripts["n0"] = door

    async with runs.workers():
        handle = await runs.start(cached(chain(2)), int_map(a=1))
        await bounded(eventually(lambda: bool(runs.attempts)))
        operator = Operator(handle)
        await operator.pause()
        door.opened.set()
        await operator.paused("n1")
        before = sizes(runs)
        await operator.resume()
        phase = await bounded(runs.wait(handle))
        histories = await runs.histories(handle)

    assert (phase, before, sizes(runs)) == ("SUCCEEDED", [1], [1, 1])
    await replay(histories)


async def test_cached_nodes_continue_in_the_next_run(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = one_more
    runs.history_events = 20
    runs.lookup_milliseconds = 200

    async with runs.workers():
        phase = await bounded(runs.outcome(cached(chain(30)), int_map(a=0)))
        histories = await runs.histories(runs.handles[0])

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=30))
    assert len(histories) > 1
    assert runs.attempts == []
    await replay(histories)


async def test_a_worker_that_keeps_no_workflow_in_its_cache_looks_up_once(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.cached = lambda attempt: one_more(attempt) if attempt.node_event.spec_node_id != "n1" else None

    async with runs.workers(max_cached_workflows=0):
        phase = await bounded(runs.outcome(cached(chain(4)), int_map(a=0)))

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=4))
    assert sizes(runs) == [1, 1, 1, 1]
