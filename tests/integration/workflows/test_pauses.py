"""A paused run starts nothing new; what runs may finish or is stopped; the rest follows when it is resumed."""

import asyncio
from collections.abc import Callable

import pytest
from flyteidl.core import execution_pb2 as core_execution_pb2

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2, operations_pb2, pauses_pb2
from flytetemporal.workflows.execution import ExecutionWorkflow
from tests.fixtures.engine_runs import (
    EngineRuns,
    bind,
    body,
    constant,
    failed,
    int_map,
    integer,
    plus_one,
    task_node,
    task_summary,
)
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import (
    Door,
    chain,
    nested,
    ran,
    signal_node,
    single,
    with_failure_node,
)
from tests.integration.workflows.test_aborts import Handle, attempts, waits_for
from tests.integration.workflows.test_arrays import array, lists
from tests.integration.workflows.test_dynamic import made, returns_a_workflow

TaskPhase = core_execution_pb2.TaskExecution
Target = pauses_pb2.PauseTarget


class Operator:
    """Pauses and resumes one execution, as admin does."""

    def __init__(self, handle: Handle, revision: int = 0) -> None:
        self.handle = handle
        self.revision = revision

    async def pause(self, *nodes: str, stop_running: bool = False, reason: str = "") -> None:
        name = self.handle.id.rpartition(":")[2]
        kind = Target.NODE if nodes else Target.EXECUTION
        targets = [Target(kind=kind, project="p", domain="d", name=name, node_id=node) for node in nodes or [""]]
        await self.deliver(
            *(
                pauses_pb2.Pause(target=target, paused_by="ann", stop_running=stop_running, reason=reason)
                for target in targets
            )
        )

    async def resume(self) -> None:
        await self.deliver()

    async def deliver(self, *pauses: pauses_pb2.Pause, revision: int | None = None) -> None:
        self.revision += 1
        message = pauses_pb2.Pauses(revision=revision or self.revision, pauses=pauses)
        await self.handle.signal(workflows.PAUSES, message)

    async def waits(self) -> dict[str, operations_pb2.Wait]:
        found = await self.handle.query(ExecutionWorkflow.waits, "")
        return {wait.node_id: wait for wait in found.waits}

    async def paused(self, *nodes: str) -> None:
        """Return when the nodes wait for the end of a pause."""
        for node in nodes:
            await bounded(waits_for(self.handle, node, "pause"))


@pytest.fixture
def door(engine_runs: EngineRuns) -> Door:
    door = Door()
    engine_runs.scripts["n0"] = door
    return door


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  the fixture's activities only append
        await asyncio.sleep(0.02)


async def test_a_pause_in_the_middle_of_a_chain_lets_the_attempt_finish(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(3), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause()
        door.opened.set()
        await operator.paused("n1")
        while_paused, waits = ran(runs), await operator.waits()
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase) == ([("n0", 0)], "SUCCEEDED")
    assert waits["n1"].pause.paused_by == "ann"
    assert runs.outputs() == int_map(o0=3)
    assert runs.workflow_phases(handle) == ["RUNNING", "SUCCEEDING", "SUCCEEDED"]


async def test_a_pause_holds_the_nodes_of_a_fan_out_and_a_resumption_wakes_them_all(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = door = Door()
    nodes = [task_node("n0", [0], [constant("a", 0)])]
    nodes += [task_node(f"n{i}", [2], [constant("a", i)]) for i in range(1, 300)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n299", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(), max_parallelism=20)
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause()
        door.opened.set()
        await operator.paused("n1", "n100")
        while_paused = len(runs.attempts)
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase, len(runs.attempts)) == (1, "SUCCEEDED", 300)


async def test_a_paused_node_holds_its_successors_and_nothing_else(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    nodes = [
        task_node("n0", [0], [constant("a", 0)]),
        task_node("n1", [2], [bind("a", "n0", "o0")]),
        task_node("n2", [0], [constant("a", 0)]),
        task_node("n3", [4], [bind("a", "n2", "o0")]),
    ]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(), max_parallelism=1)
        operator = Operator(handle)
        await operator.pause("n1")
        await bounded(attempts(runs, 3))
        await operator.paused("n1")
        while_paused = sorted(ran(runs))
        await operator.resume()
        phase = await runs.wait(handle)

    assert while_paused == [("n0", 0), ("n2", 0), ("n3", 0)]
    assert (phase, len(runs.attempts)) == ("SUCCEEDED", 4)


async def test_a_retry_waits_for_the_end_of_the_pause(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    let_fail = asyncio.Event()

    async def fails_once(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await let_fail.wait()
        return await plus_one(attempt) if attempt.attempt else failed("USER:Flaky", recoverable=True)

    runs.scripts["n0"] = fails_once
    graph = chain(1)
    graph.workflows[0].nodes[2].retries = 1

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause()
        let_fail.set()
        await operator.paused("n0")
        while_paused = ran(runs)
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, ran(runs), phase) == ([("n0", 0)], [("n0", 0), ("n0", 1)], "SUCCEEDED")


async def test_stopped_attempts_are_not_charged_and_run_again(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        for number in range(1, 4):
            await operator.pause(stop_running=True)
            await operator.paused("n0")
            await operator.resume()
            await bounded(attempts(runs, number + 1))
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, ran(runs)) == ("SUCCEEDED", [("n0", 0), ("n0", 1), ("n0", 2), ("n0", 3), ("n1", 0)])
    aborted = [event.retry_attempt for event in runs.task_events if event.phase == TaskPhase.ABORTED]
    assert aborted == [0, 1, 2]
    assert runs.phases()["n0"] == ["QUEUED", "SUCCEEDED"]


async def test_a_pause_that_lets_attempts_finish_can_be_sharpened(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause()
        before = (await operator.waits())["n0"].WhichOneof("cause")
        await operator.pause(stop_running=True)
        await operator.paused("n0")
        door.opened.set()
        await operator.resume()
        phase = await runs.wait(handle)

    assert (before, phase, ran(runs)) == ("attempt", "SUCCEEDED", [("n0", 0), ("n0", 1)])


async def test_an_attempt_that_a_pause_stops_says_so(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause(stop_running=True, reason="look at the store\nand more")
        await operator.paused("n0")
        door.opened.set()
        await operator.resume()
        await runs.wait(handle)

    stopped = [event for event in runs.task_events if event.phase == TaskPhase.ABORTED]
    assert [event.reason for event in stopped] == ["stopped by a pause by ann: look at the store"]
    assert [reason.reason for event in stopped for reason in event.reasons] == [stopped[0].reason]


async def test_elements_of_one_shard_wait_and_stopped_ones_run_again(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 2

    async with runs.workers():
        handle = await runs.start(graph, lists(a=range(6)))
        await bounded(attempts(runs, 2))
        operator = Operator(handle)
        await operator.pause(stop_running=True)
        await operator.paused("n0-0-n0", "n0-0-n1")
        while_paused = len(runs.attempts)
        door.opened.set()
        await operator.resume()
        phase = await runs.wait(handle)

    gathered = len(runs.outputs().literals["o0"].collection.literals)
    assert (while_paused, phase, gathered) == (2, "SUCCEEDED", 6)
    again = sorted((attempt.element.index, attempt.attempt) for attempt in runs.attempts)
    assert again == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0), (5, 0)]


async def test_batches_of_elements_wait_and_stopped_ones_run_again(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs
    settings = execution_pb2.ExecutionSettings()
    settings.map_batch.value = 2
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 2

    async with runs.workers():
        handle = await runs.start(graph, lists(a=range(16)), settings=settings)
        await bounded(attempts(runs, 2))
        operator = Operator(handle)
        await operator.pause(stop_running=True)
        await operator.paused("n0-0-n0", "n0-0-n1", "n0-0-n2")
        while_paused = len(runs.attempts)
        door.opened.set()
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase) == (2, "SUCCEEDED")
    assert len(runs.outputs().literals["o0"].collection.literals) == 16
    again = {attempt.element.index for attempt in runs.attempts if attempt.attempt == 1}
    assert again == {0, 1, 2, 3}, "all elements of the two batches that were stopped"


@pytest.mark.parametrize("nodes", [(), ("n0",)], ids=["execution", "node"])
async def test_shards_with_a_history_of_their_own_pause_too(
    engine_runs: EngineRuns, door: Door, nodes: tuple[str, ...]
) -> None:
    runs = engine_runs
    graph = array()
    graph.workflows[0].nodes[2].array.parallelism.value = 20

    async with runs.workers():
        handle = await runs.start(graph, lists(a=range(520)))
        await bounded(attempts(runs, 20))
        operator = Operator(handle)
        await operator.pause(*nodes)
        shard: Handle = runs.client.get_workflow_handle_for(ExecutionWorkflow.run, f"{handle.id}:n0:0:0")
        runs.handles.append(shard)  # Its history is recorded, too.
        await bounded(_follows(shard, revision=1))
        door.opened.set()
        await bounded(waits_for(shard, "n0-0-n20", "pause"))
        await bounded(waits_for(shard, "n0-0-n39", "pause"))
        while_paused = len(runs.attempts)
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase, len(runs.attempts)) == (20, "SUCCEEDED", 520)


async def _follows(shard: Handle, revision: int) -> None:
    """Return when a shard's history has a delivery."""
    while True:
        history = await shard.fetch_history()
        signals = [e for e in history.events if e.HasField("workflow_execution_signaled_event_attributes")]
        if len(signals) >= revision:
            return
        await asyncio.sleep(0.05)


async def test_a_dynamic_workflow_starts_no_nodes_while_it_is_paused(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = returns_a_workflow
    runs.scripts["dn0"] = door = Door()
    runs.dynamic["n0"] = made(
        task_node("dn0", [0], [constant("a", 40)]), task_node("dn1", [2], [bind("a", "dn0", "o0")]), output="dn1"
    )

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=1))
        await bounded(attempts(runs, 2))
        operator = Operator(handle)
        await operator.pause("n0")
        door.opened.set()
        await operator.paused("n0-0-dn1")
        await operator.resume()
        phase = await runs.wait(handle)

    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=42))


async def test_a_paused_subworkflow_node_holds_the_nodes_below_it(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n1"] = door = Door()
    inner = [task_node("n1", [0], [bind("a", "start-node", "a")]), task_node("n2", [2], [bind("a", "n1", "o0")])]

    async with runs.workers():
        handle = await runs.start(nested(*inner), int_map(a=1))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause("n0")
        door.opened.set()
        await operator.paused("n0-0-n2")
        await operator.resume()
        phase = await runs.wait(handle)

    assert (phase, len(runs.attempts)) == ("SUCCEEDED", 2)


async def test_a_gate_that_waits_may_pass_and_its_successors_do_not_start(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    nodes = [signal_node("n0", [0]), task_node("n1", [2], [bind("a", "n0", "o0")])]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n1", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        await bounded(waits_for(handle, "n0", "signal"))
        operator = Operator(handle)
        await operator.pause()
        await runs.set_signal(handle, "number", integer(41))
        await operator.paused("n1")
        while_paused = len(runs.attempts)
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase, runs.outputs()) == (0, "SUCCEEDED", int_map(o0=42))


async def test_a_failure_node_waits_for_the_end_of_the_pause(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    let_fail = asyncio.Event()

    async def fails(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await let_fail.wait()
        return failed("USER:Boom")

    runs.scripts["n0"] = fails

    async with runs.workers():
        handle = await runs.start(with_failure_node(chain(1)), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause()
        let_fail.set()
        await operator.paused("fn0")
        while_paused = len(runs.attempts)
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase, len(runs.attempts)) == (1, "FAILED", 2)


async def test_a_paused_execution_can_be_aborted(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause(stop_running=True)
        await operator.paused("n0")
        await handle.cancel()
        phase = await runs.wait(handle)

    assert (phase, runs.phases()["n0"][-1]) == ("ABORTED", "ABORTED")
    assert "n1" not in runs.phases()


async def test_an_abort_wins_over_a_pause_that_stops_the_same_attempt(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async def slow_to_stop(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        try:
            await asyncio.sleep(60)
        finally:
            stopping.set()
            await stopped.wait()
        return await plus_one(attempt)

    stopping, stopped = asyncio.Event(), asyncio.Event()
    runs.scripts["n0"] = slow_to_stop

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0))
        await bounded(attempts(runs, 1))
        await Operator(handle).pause(stop_running=True)
        await bounded(stopping.wait())
        await handle.cancel()
        await handle.query(ExecutionWorkflow.waits, "")  # The workflow has seen the cancellation.
        stopped.set()
        phase = await runs.wait(handle)

    assert (phase, ran(runs)) == ("ABORTED", [("n0", 0)])


async def test_an_execution_that_is_paused_before_its_first_node_stays_queued(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    handle = await runs.start(chain(1), int_map(a=0))
    operator = Operator(handle)
    await operator.pause()
    async with runs.workers():
        await bounded(until(lambda: runs.workflow_phases(handle) == ["QUEUED"]))
        await operator.resume()
        phase = await runs.wait(handle)

    assert (phase, runs.workflow_phases(handle)) == ("SUCCEEDED", ["QUEUED", "RUNNING", "SUCCEEDING", "SUCCEEDED"])


async def test_a_late_delivery_changes_nothing(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle, revision=5)
        await operator.pause()
        await operator.deliver(revision=3)
        door.opened.set()
        await operator.paused("n1")
        await operator.deliver(revision=7)
        await operator.pause()  # Revision 8; 7 has resumed it.
        phase_or_pause = await operator.waits()
        await operator.resume()
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert "n0" not in phase_or_pause


async def test_a_pause_outlives_the_worker(engine_runs: EngineRuns, door: Door) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.pause()
        door.opened.set()
        await operator.paused("n1")
    async with runs.workers():
        await operator.paused("n1")
        while_paused = len(runs.attempts)
        await operator.resume()
        phase = await runs.wait(handle)

    assert (while_paused, phase) == (1, "SUCCEEDED")


async def test_a_paused_run_continues_as_new_and_is_still_paused(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.history_events = 30
    nodes = [
        *(task_node(f"n{i}", [i + 1 if i else 0], [constant("a", i)]) for i in range(4)),
        signal_node("n4", [0]),
        task_node("n5", [0], [constant("a", 0)]),
    ]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        operator = Operator(handle)
        await operator.pause("n3")
        await operator.paused("n3")
        for _ in range(15):  # Each adds events to the history.
            await operator.pause("n3")
        await bounded(_second_run(runs, handle))
        await operator.paused("n3")
        while_paused = sorted(ran(runs))
        await operator.resume()
        await runs.set_signal(handle, "number", integer(1))
        phase = await runs.wait(handle)

    assert while_paused == [("n0", 0), ("n1", 0), ("n2", 0), ("n5", 0)]
    assert (phase, len(runs.attempts)) == ("SUCCEEDED", 5)


@pytest.mark.parametrize("limit", ["node", "execution"])
async def test_the_clocks_of_limits_stand_still_while_a_run_is_paused(engine_runs: EngineRuns, limit: str) -> None:
    runs = engine_runs
    gate = signal_node("n0", [0])
    settings = execution_pb2.ExecutionSettings()
    (gate.timeout if limit == "node" else settings.timeout).FromSeconds(2)

    async with runs.workers():
        handle = await runs.start(single(gate), int_map(), settings=settings)
        await bounded(waits_for(handle, "n0", "signal"))
        operator = Operator(handle)
        await operator.pause()
        await asyncio.sleep(3)  # Longer than the limit.
        await bounded(waits_for(handle, "n0", "signal"))
        await operator.resume()
        phase = await runs.wait(handle)

    code = "RetriesExhausted|TimeoutExpired" if limit == "node" else "ExecutionTimedOut"
    assert (phase, runs.workflow_events[-1].error.code) == ("FAILED", code)


async def test_a_stopped_clock_goes_on_where_it_stopped_in_the_next_run(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.history_events = 30
    gate = signal_node("n0", [0])
    gate.timeout.FromSeconds(600)

    async with runs.workers():
        handle = await runs.start(single(gate), int_map())
        await bounded(waits_for(handle, "n0", "signal"))
        operator = Operator(handle)
        for _ in range(20):  # Each adds events to the history.
            await operator.pause()
        await bounded(_second_run(runs, handle))
        await bounded(waits_for(handle, "n0", "signal"))
        await operator.resume()
        await runs.set_signal(handle, "number", integer(1))
        phase = await runs.wait(handle)
        later = (await runs.histories(handle))[-1]

    timers = [e.timer_started_event_attributes for e in later.events if e.HasField("timer_started_event_attributes")]
    assert phase == "SUCCEEDED"
    # Started by the resumption: while the run was paused, nothing could expire.
    assert any(timer.start_to_fire_timeout.seconds > 300 for timer in timers)


async def _second_run(runs: EngineRuns, handle: Handle) -> None:
    while (await handle.describe()).run_id == handle.first_execution_run_id:  # noqa: ASYNC110  asks the server
        await asyncio.sleep(0.05)
