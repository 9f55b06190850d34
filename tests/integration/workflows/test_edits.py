"""Operators change limits, retries, timeouts and resources of a run that goes on."""

import asyncio

import pytest
from flyteidl.core import tasks_pb2
from google.protobuf import duration_pb2, wrappers_pb2

from flytetemporal.contracts.v1 import edits_pb2, execution_pb2, graph_pb2
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
    boom,
    chain,
    ran,
    signal_node,
    sleep_node,
)
from tests.integration.workflows.test_aborts import Handle, attempts, waits_for
from tests.integration.workflows.test_arrays import array, lists
from tests.integration.workflows.test_holds import HOLD, Operator, second_succeeds

MEMORY = tasks_pb2.Resources.MEMORY


def number(value: int) -> wrappers_pb2.UInt32Value:
    return wrappers_pb2.UInt32Value(value=value)


def memory(quantity: str) -> tasks_pb2.Resources:
    entry = tasks_pb2.Resources.ResourceEntry(name=MEMORY, value=quantity)
    return tasks_pb2.Resources(requests=[entry], limits=[entry])


def asked(attempt: execution_pb2.TaskAttempt) -> list[str]:
    """Return the memory that an attempt asks for instead of that of its task."""
    return [entry.value for entry in attempt.overrides.resources.requests]


class Editor(Operator):
    async def node(self, node_id: str, **changes: object) -> edits_pb2.EditResponse:
        return await self.edit(node=edits_pb2.NodeChanges(node_id=node_id, **changes))  # type: ignore[arg-type]

    async def max_parallelism(self, limit: int) -> edits_pb2.EditResponse:
        return await self.edit(execution=edits_pb2.ExecutionEdit(max_parallelism=number(limit)))


def fan(width: int) -> graph_pb2.Graph:
    nodes = [task_node(f"n{i}", [0], [constant("a", i)]) for i in range(width)]
    return graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n0", "o0")])], tasks=[task_summary()])


async def test_more_nodes_run_at_once_after_the_limit_was_raised_and_fewer_after_it_was_lowered(
    engine_runs: EngineRuns,
) -> None:
    runs = engine_runs
    door = Door()
    runs.default_script = door

    async with runs.workers():
        handle = await runs.start(fan(12), int_map(), max_parallelism=1)
        editor = Editor(handle)
        await bounded(attempts(runs, 1))
        await editor.max_parallelism(4)
        await bounded(attempts(runs, 4))
        await editor.max_parallelism(2)
        await editor.max_parallelism(5)
        await bounded(attempts(runs, 5))
        limits = {wait.slot.limit for wait in (await editor.waits()).waits if wait.HasField("slot")}
        await editor.max_parallelism(0)
        await bounded(attempts(runs, 12))
        door.opened.set()
        phase = await runs.wait(handle)

    assert (limits, phase, len(runs.attempts)) == ({5}, "SUCCEEDED", 12)


async def test_an_execution_without_a_limit_gets_one(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": (first := Door()), "n1": (second := Door())}
    nodes = [
        task_node("n0", [0], [constant("a", 0)]),
        task_node("n1", [0], [constant("a", 0)]),
        *(task_node(f"m{i}", [2], [bind("a", "n0", "o0")]) for i in range(3)),
    ]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        editor = Editor(handle)
        await bounded(attempts(runs, 2))
        await editor.max_parallelism(1)
        first.opened.set()
        for node in ("m0", "m1", "m2"):
            await bounded(waits_for(handle, node, "slot"))
        while_full = len(runs.attempts)
        second.opened.set()
        phase = await runs.wait(handle)

    assert (while_full, phase, len(runs.attempts)) == (2, "SUCCEEDED", 5)


async def test_a_node_that_has_not_started_gets_other_retries_another_timeout_and_other_resources(
    engine_runs: EngineRuns,
) -> None:
    runs = engine_runs
    runs.scripts["n0"] = door = Door()

    async def third_succeeds(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await plus_one(attempt) if attempt.attempt == 2 else failed("USER:Boom", recoverable=True)

    runs.scripts["n1"] = third_succeeds

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=0))
        editor = Editor(handle)
        await bounded(attempts(runs, 1))
        await editor.node("n1", retries=number(2), timeout=duration_pb2.Duration(seconds=90))
        await editor.node("n1", resources=memory("8Gi"))
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, ran(runs)[1:]) == ("SUCCEEDED", [("n1", 0), ("n1", 1), ("n1", 2)])
    assert [(attempt.timeout.seconds, asked(attempt)) for attempt in runs.attempts[1:]] == [(90, ["8Gi"])] * 3
    assert asked(runs.attempts[0]) == []


async def test_retries_that_are_set_by_hand_count_instead_of_those_of_a_rule(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": (door := Door()), "n1": _fails}
    rule = execution_pb2.RetryRule(cause="USER", retries=number(5))

    async with runs.workers():
        settings = execution_pb2.ExecutionSettings(retry_rules=[rule])
        handle = await runs.start(chain(2), int_map(a=0), settings=settings)
        await bounded(attempts(runs, 1))
        await Editor(handle).node("n1", retries=number(1))
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, ran(runs)[1:]) == ("FAILED", [("n1", 0), ("n1", 1)])


async def _fails(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return failed("USER:Boom", recoverable=True)


async def test_a_node_between_two_attempts_is_changed(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = _fails
    rule = execution_pb2.RetryRule(cause="USER", retries=number(9), initial_interval=duration_pb2.Duration(seconds=2))

    async with runs.workers():
        settings = execution_pb2.ExecutionSettings(retry_rules=[rule])
        handle = await runs.start(chain(1), int_map(a=0), settings=settings)
        await bounded(waits_for(handle, "n0", "backoff"))
        await Editor(handle).node("n0", retries=number(1), resources=memory("8Gi"))
        phase = await runs.wait(handle)

    assert (phase, ran(runs)) == ("FAILED", [("n0", 0), ("n0", 1)])
    assert [asked(attempt) for attempt in runs.attempts] == [[], ["8Gi"]]


async def test_a_held_node_gets_more_memory_before_it_is_retried(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = second_succeeds

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        editor = Editor(handle)
        await editor.held("n0")
        await editor.node("n0", resources=memory("8Gi"))
        await editor.retry("n0")
        phase = await runs.wait(handle)

    assert (phase, [asked(attempt) for attempt in runs.attempts]) == ("SUCCEEDED", [[], ["8Gi"]])


@pytest.mark.parametrize("size", [3, 520])
async def test_the_elements_of_a_map_that_has_not_started_are_changed(engine_runs: EngineRuns, size: int) -> None:
    runs = engine_runs
    runs.scripts["gate"] = door = Door()

    async def elements(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.element.index == 1 and attempt.attempt == 0:
            return failed("USER:Boom", recoverable=True)
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=int_map(o0=1)))

    runs.scripts["n0"] = elements
    graph = array()
    nodes = graph.workflows[0].nodes
    nodes.append(task_node("gate", [0], [constant("a", 0)]))
    nodes[2].upstream[:] = [len(nodes) - 1]

    async with runs.workers():
        handle = await runs.start(graph, lists(a=range(size)))
        await bounded(attempts(runs, 1))
        await Editor(handle).node("n0", retries=number(1), resources=memory("2Gi"))
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, len(runs.attempts)) == ("SUCCEEDED", size + 2)
    assert {tuple(asked(attempt)) for attempt in runs.attempts[1:]} == {("2Gi",)}


BATCHES = execution_pb2.ExecutionSettings(map_batch=number(2))


@pytest.mark.parametrize("settings", [None, BATCHES], ids=["alone", "in batches"])
async def test_elements_that_have_not_started_are_changed_while_their_map_runs(
    engine_runs: EngineRuns, settings: execution_pb2.ExecutionSettings | None
) -> None:
    runs = engine_runs
    door = Door(then=_first_attempt_fails)
    runs.scripts["n0"] = door

    async with runs.workers():
        handle = await runs.start(array(parallelism=number(1)), lists(a=range(6)), settings=settings)
        editor = Editor(handle)
        await bounded(attempts(runs, 1))
        changes = {"timeout": duration_pb2.Duration(seconds=90), "resources": memory("2Gi")}
        await editor.node("n0", retries=number(1), max_parallelism=number(2), **changes)
        await bounded(attempts(runs, 2))  # The second one waits for the door, too.
        door.opened.set()
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    before = 1 if settings is None else 2  # A batch has two.
    changed = {(tuple(asked(attempt)), attempt.timeout.seconds) for attempt in runs.attempts[before:]}
    assert changed == {(("2Gi",), 90)}
    assert asked(runs.attempts[0]) == []
    assert sorted((attempt.element.index, attempt.attempt) for attempt in runs.attempts) == [
        (index, number_) for index in range(6) for number_ in range(2)
    ]


async def _first_attempt_fails(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    if not attempt.attempt:
        return failed("USER:Boom", recoverable=True)
    return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=int_map(o0=1)))


async def test_the_shards_of_a_large_map_are_changed_while_they_run(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = door = Door(then=_first_attempt_fails)

    async with runs.workers():
        handle = await runs.start(array(parallelism=number(2)), lists(a=range(510)))
        runs.handles.append(runs.client.get_workflow_handle_for(ExecutionWorkflow.run, f"{handle.id}:n0:0:0"))
        editor = Editor(handle)
        await bounded(attempts(runs, 2))
        await editor.node("n0", max_parallelism=number(20), resources=memory("2Gi"))
        await bounded(attempts(runs, 20))
        await editor.node("n0", retries=number(1), max_parallelism=number(400))
        await bounded(_shards(editor, 2))
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, len(runs.attempts)) == ("SUCCEEDED", 2 * 510)
    assert [asked(attempt) for attempt in runs.attempts[:2]] == [[], []]
    assert {tuple(asked(attempt)) for attempt in runs.attempts[2:]} == {("2Gi",)}


async def _shards(editor: Editor, number_: int) -> None:
    """Return when that many shards of a map run at once."""
    while True:
        waits = [wait for wait in (await editor.waits()).waits if wait.HasField("nested")]
        if waits and len(waits[0].nested.node_ids) == number_:
            return
        await asyncio.sleep(0.05)


async def test_fewer_elements_run_at_once_after_the_limit_of_their_map_was_lowered(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    opened, now, others = asyncio.Event(), 0, list[int]()

    async def counted(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        nonlocal now
        others.append(now)
        now += 1
        await opened.wait()
        await asyncio.sleep(0.02)  # Time for another one to start, if one may.
        now -= 1
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=int_map(o0=1)))

    runs.scripts["n0"] = counted

    async with runs.workers():
        handle = await runs.start(array(parallelism=number(4)), lists(a=range(12)))
        await bounded(attempts(runs, 4))
        await Editor(handle).node("n0", max_parallelism=number(1))
        opened.set()
        phase = await runs.wait(handle)

    assert (phase, others) == ("SUCCEEDED", [0, 1, 2, 3, *[0] * 8])


async def test_memory_that_is_set_by_hand_counts_instead_of_what_a_running_element_got(
    engine_runs: EngineRuns,
) -> None:
    runs = engine_runs
    door = Door()

    async def third_succeeds(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        if attempt.attempt == 0:
            result = failed("OOMKilled", recoverable=True)
            result.failure.next_memory_bytes = 1 << 30
            return result
        if attempt.attempt == 1:
            await door.opened.wait()
            return failed("USER:Boom", recoverable=True)
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(literals=int_map(o0=1)))

    runs.scripts["n0"] = third_succeeds
    ladder = execution_pb2.ExecutionSettings(memory_rules=[execution_pb2.MemoryRule(steps=3)])

    async with runs.workers():
        handle = await runs.start(array(), lists(a=[1]), settings=ladder)
        await bounded(attempts(runs, 2))
        await Editor(handle).node("n0", retries=number(3), resources=memory("4Gi"))
        door.opened.set()
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert [(attempt.memory_bytes, asked(attempt)) for attempt in runs.attempts] == [
        (0, []), (1 << 30, []), (0, ["4Gi"]),
    ]  # fmt: skip


async def test_a_sleep_that_got_a_timeout_times_out(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = door = Door()
    sleeper = sleep_node("n1", [2], 3600)
    graph = graph_pb2.Graph(
        workflows=[body([task_node("n0", [0], [constant("a", 0)]), sleeper], [])], tasks=[task_summary()]
    )

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        await bounded(attempts(runs, 1))
        await Editor(handle).node("n1", timeout=duration_pb2.Duration(nanos=10_000_000))
        door.opened.set()
        phase = await runs.wait(handle)

    assert phase == "FAILED"
    assert "Timeout" in runs.workflow_events[-1].error.code


async def test_changes_survive_continue_as_new(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.history_events = 30
    runs.scripts["last"] = second_succeeds
    nodes = [task_node(f"n{i}", [i + 1 if i else 0], [constant("a", i)]) for i in range(15)]
    nodes += [signal_node("gate", [0]), task_node("last", [17], [constant("a", 0)])]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        editor = Editor(handle)
        await bounded(waits_for(handle, "gate", "signal"))
        await editor.node("last", resources=memory("8Gi"))
        await editor.max_parallelism(1)
        await editor.edit(execution=edits_pb2.ExecutionEdit(on_failure="hold"))
        await bounded(_second_run(runs, handle))
        await bounded(waits_for(handle, "gate", "signal"))
        revision = (await editor.waits()).revision
        await runs.set_signal(handle, "number", integer(1))
        await editor.held("last")
        await editor.retry("last")
        phase = await runs.wait(handle)

    assert (revision, phase) == (3, "SUCCEEDED")
    last = [attempt for attempt in runs.attempts if attempt.node_event.id.node_id == "last"]
    assert [asked(attempt) for attempt in last] == [["8Gi"], ["8Gi"]]


async def _second_run(runs: EngineRuns, handle: Handle) -> None:
    await attempts(runs, 15)
    while (await handle.describe()).run_id == handle.first_execution_run_id:  # noqa: ASYNC110  asks the server
        await asyncio.sleep(0.05)


async def test_what_cannot_be_changed_is_refused(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": boom, "n1": Door()}
    nodes = [task_node(f"n{i}", [0], [constant("a", 0)]) for i in range(2)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(), settings=HOLD)
        editor = Editor(handle)
        await editor.held("n0")
        await bounded(waits_for(handle, "n1", "attempt"))
        await editor.edit(skip=edits_pb2.SkippedNode(node_id="n0", literals=int_map(o0=1)))
        changes = edits_pb2.NodeChanges
        await bounded(_ended(runs, "n0"))
        refusals = [
            await editor.refusal(node=changes(node_id="n0", retries=number(1))),
            await editor.refusal(node=changes(node_id="n1", retries=number(1))),
            await editor.refusal(node=changes(node_id="end-node")),
            await editor.refusal(node=changes(node_id="n9", retries=number(1))),
        ]
        await handle.cancel()
        await runs.wait(handle)

    only = (
        "only nodes that have not started, are held or wait for their next attempt, and map tasks that run, "
        "can be changed"
    )
    assert refusals[:3] == [
        ("FailedPrecondition", f"node n0 has ended; {only}"),
        ("FailedPrecondition", f"node n1 runs; {only}"),
        ("InvalidRequest", "the edit changes nothing of node end-node; set retries, timeout or resources"),
    ]
    assert refusals[3][0] == "NotFound"


async def _ended(runs: EngineRuns, node_id: str) -> None:
    while runs.phases()[node_id][-1] != "SUCCEEDED":  # noqa: ASYNC110  the activity only records
        await asyncio.sleep(0.02)


async def test_edits_that_would_not_fit_into_the_next_run_are_refused(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = Door()

    async with runs.workers():
        handle = await runs.start(chain(3), int_map(a=0))
        editor = Editor(handle)
        await bounded(attempts(runs, 1))
        kind, text = await editor.refusal(skip=edits_pb2.SkippedNode(node_id="n1", uri="x" * 70_000))
        await handle.cancel()
        await runs.wait(handle)

    assert (kind, text.split(";")[0]) == (
        "FailedPrecondition", "the edits of the execution would need more than 65536 bytes with that of node n1"
    )  # fmt: skip
