"""Nodes that fail are held until an operator retries or skips them, while other nodes go on."""

import asyncio
import uuid
from collections.abc import Awaitable
from dataclasses import dataclass

import pytest
from google.protobuf import wrappers_pb2
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import edits_pb2, execution_pb2, graph_pb2, operations_pb2
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
    approve_node,
    boom,
    chain,
    nested,
    ran,
    signal_node,
    single,
    sleep_node,
    with_failure_node,
)
from tests.integration.workflows.test_aborts import Handle, attempts, waits_for
from tests.integration.workflows.test_arrays import array, lists

HOLD = execution_pb2.ExecutionSettings(on_failure="hold")
SKIPPED = int_map(o0=40)


@dataclass
class Operator:
    """Edits an execution as admin does."""

    handle: Handle

    async def edit(
        self, *, request_id: str = "", revision: int | None = None, **edit: object
    ) -> edits_pb2.EditResponse:
        request = edits_pb2.EditCommand(request_id=request_id or uuid.uuid4().hex, **edit)  # type: ignore[arg-type]
        if revision is not None:
            request.expected_revision.CopyFrom(wrappers_pb2.UInt64Value(value=revision))
        answer: edits_pb2.EditResponse = await self.handle.execute_update(
            workflows.EDIT, request, id=uuid.uuid4().hex, result_type=edits_pb2.EditResponse
        )
        return answer

    async def retry(self, node_id: str) -> edits_pb2.EditResponse:
        return await self.edit(retry=edits_pb2.RetryNode(node_id=node_id))

    async def skip(self, node_id: str) -> edits_pb2.EditResponse:
        uri = f"memory://store/edits/{node_id}.pb"
        return await self.edit(skip=edits_pb2.SkippedNode(node_id=node_id, uri=uri, literals=SKIPPED))

    async def refusal(self, **edit: object) -> tuple[str, str]:
        """Return kind and text of the error that an edit is refused with."""
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await self.edit(**edit)  # type: ignore[arg-type]
        cause = refused.value.cause
        assert isinstance(cause, ApplicationError)
        return cause.type or "", cause.message

    async def held(self, *nodes: str) -> None:
        """Return when all the nodes are held."""
        for node in nodes:
            await bounded(waits_for(self.handle, node, "hold"))

    async def waits(self) -> operations_pb2.Waits:
        return await self.handle.query(ExecutionWorkflow.waits, "")


async def second_succeeds(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return await plus_one(attempt) if attempt.attempt else failed("USER:Boom")


def fork_graph() -> graph_pb2.Graph:
    """n0 -> n1, and n2 -> n3 next to them."""
    nodes = [
        task_node("n0", [0], [constant("a", 0)]),
        task_node("n1", [2], [bind("a", "n0", "o0")]),
        task_node("n2", [0], [constant("a", 0)]),
        task_node("n3", [4], [bind("a", "n2", "o0")]),
    ]
    return graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n1", "o0")])], tasks=[task_summary()])


async def test_a_held_node_waits_while_the_others_run_and_succeeds_when_it_is_retried(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = second_succeeds

    async with runs.workers():
        handle = await runs.start(fork_graph(), int_map(), max_parallelism=1, settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
        await bounded(attempts(runs, 3))
        while_held, waits = sorted(ran(runs)), await operator.waits()
        answer = await operator.retry("n0")
        phase = await runs.wait(handle)

    assert while_held == [("n0", 0), ("n2", 0), ("n3", 0)]
    hold = next(wait.hold for wait in waits.waits if wait.node_id == "n0")
    assert (hold.error.code, waits.revision, answer.revision) == ("USER:Boom", 0, 1)
    assert (phase, runs.outputs()) == ("SUCCEEDED", int_map(o0=2))
    assert sorted(ran(runs)) == [("n0", 0), ("n0", 1), ("n1", 0), ("n2", 0), ("n3", 0)]
    assert runs.phases()["n0"] == ["QUEUED", "SUCCEEDED"]
    assert runs.workflow_phases(handle) == ["RUNNING", "SUCCEEDING", "SUCCEEDED"]


async def test_a_held_node_that_is_skipped_ends_with_the_given_outputs(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        handle = await runs.start(chain(2), int_map(a=0), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
        await operator.skip("n0")
        phase = await runs.wait(handle)

    assert (phase, runs.outputs(), ran(runs)) == ("SUCCEEDED", int_map(o0=41), [("n0", 0), ("n1", 0)])
    ended = [event for event in runs.node_events if event.id.node_id == "n0"][-1]
    assert ended.output_uri == "memory://store/edits/n0.pb"
    assert runs.phases()["n0"] == ["QUEUED", "SUCCEEDED"]


async def test_a_node_that_has_not_started_is_skipped_when_its_turn_comes(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    door = runs.scripts["n0"] = Door()

    async with runs.workers():
        handle = await runs.start(chain(3), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.skip("n1")
        skipped = {wait.node_id for wait in (await operator.waits()).waits if wait.will_be_skipped}
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, runs.outputs(), ran(runs)) == ("SUCCEEDED", int_map(o0=41), [("n0", 0), ("n2", 0)])
    assert skipped == {"n1"}
    assert runs.phases()["n1"] == ["SUCCEEDED"]


async def test_a_retry_that_fails_is_held_again(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async def third_succeeds(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return await plus_one(attempt) if attempt.attempt == 2 else failed("USER:Boom", recoverable=True)

    runs.scripts["n0"] = third_succeeds

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
        await operator.retry("n0")
        await bounded(attempts(runs, 2))
        await operator.held("n0")
        answer = await operator.retry("n0")
        phase = await runs.wait(handle)

    assert (phase, ran(runs), answer.revision) == ("SUCCEEDED", [("n0", 0), ("n0", 1), ("n0", 2)], 2)


async def test_a_node_below_a_subworkflow_is_held(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n1"] = second_succeeds
    graph = nested(task_node("n1", [0], [bind("a", "start-node", "a")]))

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=0), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0-0-n1")
        await operator.retry("n0-0-n1")
        phase = await runs.wait(handle)

    assert (phase, ran(runs)) == ("SUCCEEDED", [("n0-0-n1", 0), ("n0-0-n1", 1)])
    assert runs.phases()["n0"][-1] == "SUCCEEDED"


async def test_a_node_of_a_dynamic_workflow_is_held(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async def generates(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        return execution_pb2.TaskAttemptResult(outputs=execution_pb2.NodeOutputs(), dynamic=True)

    runs.scripts |= {"n0": generates, "dn0": boom}
    inner = body([task_node("dn0", [0], [constant("a", 1)])], [bind("o0", "dn0", "o0")])
    runs.dynamic["n0"] = graph_pb2.Graph(workflows=[inner], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0-0-dn0")
        await operator.skip("n0-0-dn0")
        phase = await runs.wait(handle)

    assert (phase, runs.outputs()) == ("SUCCEEDED", SKIPPED)


async def test_a_map_task_is_held_as_a_whole(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async def one_fails(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        fails = attempt.element.index == 1 and "n0/data/0" in attempt.output_dir
        return (
            failed("USER:Boom")
            if fails
            else execution_pb2.TaskAttemptResult(
                outputs=execution_pb2.NodeOutputs(literals=int_map(o0=attempt.element.index))
            )
        )

    runs.scripts["n0"] = one_fails

    async with runs.workers():
        handle = await runs.start(array(), lists(a=range(3)), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
        await operator.retry("n0")
        phase = await runs.wait(handle)

    numbers = [value.scalar.primitive.integer for value in runs.outputs().literals["o0"].collection.literals]
    assert (phase, numbers) == ("SUCCEEDED", [0, 1, 2])
    assert sorted({event.retry_attempt for event in runs.task_events}) == [0, 1]


async def test_a_gate_that_was_rejected_asks_again_when_it_is_retried(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        handle = await runs.start(single(approve_node("n0", [0], [constant("a", 1)])), int_map(), settings=HOLD)
        await bounded(waits_for(handle, "n0", "signal"))
        await runs.set_signal(handle, "go", _boolean(value=False))
        operator = Operator(handle)
        await operator.held("n0")
        await runs.set_signal(handle, "go", _boolean(value=True))
        await operator.retry("n0")
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"


def _boolean(*, value: bool):  # type: ignore[no-untyped-def]
    literal = integer(0)
    literal.scalar.primitive.boolean = value
    return literal


async def test_a_node_that_was_open_too_long_is_held_and_gets_its_whole_time_again(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    node = sleep_node("n0", [0], 60)
    node.timeout.FromMilliseconds(100)

    async with runs.workers():
        handle = await runs.start(single(node), int_map(), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
        await operator.retry("n0")
        await operator.held("n0")
        await operator.edit(skip=edits_pb2.SkippedNode(node_id="n0", literals=int_map()))
        phase = await runs.wait(handle)

    assert (phase, runs.phases()["n0"][-1]) == ("SUCCEEDED", "SUCCEEDED")


async def test_a_run_that_no_longer_holds_fails_with_the_error_of_the_held_node(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        handle = await runs.start(with_failure_node(chain(1)), int_map(a=0), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
        await operator.edit(execution=edits_pb2.ExecutionEdit(on_failure="fail"))
        phase = await runs.wait(handle)

    assert (phase, runs.phases()["n0"][-1], ran(runs)) == ("FAILED", "FAILED", [("n0", 0), ("fn0", 0)])
    assert runs.workflow_events[-1].error.code == "USER:Boom"


async def test_a_failure_node_is_not_held(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": boom, "fn0": boom}
    settings = execution_pb2.ExecutionSettings(on_failure="hold")

    async with runs.workers():
        handle = await runs.start(with_failure_node(chain(1)), int_map(a=0), settings=settings)
        operator = Operator(handle)
        await operator.held("n0")
        await operator.edit(execution=edits_pb2.ExecutionEdit(on_failure="fail"))
        phase = await runs.wait(handle)

    assert (phase, runs.phases()["fn0"][-1]) == ("FAILED", "FAILED")


async def test_a_running_execution_can_be_told_to_hold(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    door = runs.scripts["n0"] = Door(second_succeeds)

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0))
        await bounded(attempts(runs, 1))
        operator = Operator(handle)
        await operator.edit(execution=edits_pb2.ExecutionEdit(on_failure="hold"))
        door.opened.set()
        await operator.held("n0")
        await operator.retry("n0")
        phase = await runs.wait(handle)

    assert (phase, ran(runs)) == ("SUCCEEDED", [("n0", 0), ("n0", 1)])


async def test_an_execution_with_a_held_node_can_be_aborted(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = boom

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        await Operator(handle).held("n0")
        await handle.cancel()
        phase = await runs.wait(handle)

    assert (phase, runs.phases()["n0"]) == ("ABORTED", ["QUEUED", "ABORTED"])


async def test_a_hold_outlives_the_worker(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n0"] = second_succeeds

    async with runs.workers():
        handle = await runs.start(chain(1), int_map(a=0), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0")
    async with runs.workers():
        await operator.held("n0")
        await operator.retry("n0")
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"


async def test_holds_and_edits_survive_continue_as_new(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.history_events = 30
    runs.scripts |= {"held": boom, "again": second_succeeds}
    nodes = [task_node(f"n{i}", [i + 1 if i else 0], [constant("a", i)]) for i in range(15)]
    nodes.append(task_node("held", [0], [constant("a", 0)]))
    nodes.append(task_node("again", [0], [constant("a", 0)]))
    nodes.append(signal_node("gate", [0]))
    nodes.append(task_node("last", [19], [constant("a", 0)]))
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "held", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map(), settings=HOLD)
        operator = Operator(handle)
        await operator.held("held", "again")
        skip = edits_pb2.SkippedNode(node_id="last", literals=SKIPPED)
        first = await operator.edit(request_id="once", skip=skip)
        await bounded(_ends_a_run(handle, ran_all(runs, 15)))
        await operator.held("held", "again")
        revision = (await operator.waits()).revision
        repeated = await operator.edit(request_id="once", skip=skip)
        await operator.skip("held")
        await operator.retry("again")
        await runs.set_signal(handle, "number", integer(1))
        phase = await runs.wait(handle)

    assert (first.revision, revision, repeated.revision) == (1, 1, 1)
    assert (phase, runs.outputs()) == ("SUCCEEDED", SKIPPED)
    assert ("last", 0) not in ran(runs)


async def ran_all(runs: EngineRuns, chained: int) -> None:
    await attempts(runs, chained + 2)


async def _ends_a_run(handle: Handle, all_ran: Awaitable[None]) -> None:
    await all_ran
    while (await handle.describe()).run_id == handle.first_execution_run_id:  # noqa: ASYNC110  asks the server
        await asyncio.sleep(0.05)


async def test_a_node_below_one_that_has_not_started_is_skipped(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    door = runs.scripts["n0"] = Door()
    first = task_node("n0", [0], [constant("a", 0)])
    subworkflow = graph_pb2.Node(
        id="n1",
        upstream=[2],
        inputs=[bind("a", "n0", "o0")],
        subworkflow=graph_pb2.SubworkflowNode(workflow=1),
    )
    inner = body(
        [task_node("m0", [0], [bind("a", "start-node", "a")]), task_node("m1", [2], [bind("a", "m0", "o0")])],
        [bind("o0", "m1", "o0")],
        name="inner",
    )
    outer = body([first, subworkflow], [bind("o0", "n1", "o0")])

    async with runs.workers():
        handle = await runs.start(graph_pb2.Graph(workflows=[outer, inner], tasks=[task_summary()]), int_map())
        await bounded(attempts(runs, 1))
        await Operator(handle).skip("n1-0-m0")
        door.opened.set()
        phase = await runs.wait(handle)

    assert (phase, runs.outputs(), ran(runs)) == ("SUCCEEDED", int_map(o0=41), [("n0", 0), ("n1-0-m1", 0)])


async def test_refused_edits_say_why_and_change_nothing(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts["n2"] = boom

    async def for_ever(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
        await asyncio.sleep(60)
        return failed("late")

    runs.scripts["n1"] = for_ever

    async with runs.workers():
        handle = await runs.start(fork_graph(), int_map(), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n2")
        await bounded(waits_for(handle, "n1", "attempt"))
        skip = edits_pb2.SkippedNode
        retry = edits_pb2.RetryNode
        refusals = [
            await operator.refusal(),
            await operator.refusal(execution=edits_pb2.ExecutionEdit()),
            await operator.refusal(execution=edits_pb2.ExecutionEdit(on_failure="stop")),
            await operator.refusal(retry=retry()),
            await operator.refusal(retry=retry(node_id="n9")),
            await operator.refusal(retry=retry(node_id="n0")),
            await operator.refusal(retry=retry(node_id="n1")),
            await operator.refusal(retry=retry(node_id="n3")),
            await operator.refusal(skip=skip(node_id="n0")),
            await operator.refusal(skip=skip(node_id="n1")),
            await operator.refusal(revision=7, retry=retry(node_id="n2")),
        ]
        revision = (await operator.waits()).revision
        await operator.edit(request_id="r", retry=retry(node_id="n2"))
        reused = await operator.refusal(request_id="r", retry=retry(node_id="n3"))
        await handle.cancel()
        await runs.wait(handle)

    assert refusals == [
        ("InvalidRequest", "the edit asks for nothing; set execution, node, retry or skip"),
        ("InvalidRequest", "the edit of the execution changes nothing; set max_parallelism or on_failure"),
        ("InvalidRequest", "on_failure is hold or fail, not [stop]"),
        ("InvalidRequest", "the edit names no node; set node_id"),
        ("NotFound", "the execution has no node n9, or a node above it has not generated it yet; "
         "see the nodes that have not ended with: flytetemporal why"),
        ("FailedPrecondition", "node n0 has ended; only held nodes can be retried; launch with on-failure: hold to "
         "retry nodes that fail while the rest of the run continues"),
        ("FailedPrecondition", "node n1 runs; only held nodes can be retried"),
        ("FailedPrecondition", "node n3 has not started; only held nodes can be retried"),
        ("FailedPrecondition", "node n0 has ended; only nodes that are held or have not started can be skipped"),
        ("FailedPrecondition", "node n1 runs; only nodes that are held or have not started can be skipped"),
        ("Conflict", "another edit came first: the execution is at revision 0, not at 7; look at it again, then repeat "
         "the edit with the new revision"),
    ]  # fmt: skip
    assert revision == 0
    assert reused[0] == "InvalidRequest"


async def test_the_refusal_of_an_edit_of_an_element_names_its_map_task(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.default_script = Door()

    async with runs.workers():
        handle = await runs.start(array(), lists(a=[1, 2, 3]))
        await bounded(attempts(runs, 3))
        kind, text = await Operator(handle).refusal(retry=edits_pb2.RetryNode(node_id="n0-0-n1"))
        await handle.cancel()
        await runs.wait(handle)

    assert kind == "NotFound"
    assert text.endswith("Elements of a map task cannot be changed one by one: if n0-0-n1 is one, name n0")


async def test_of_two_edits_that_saw_the_same_revision_one_wins(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.scripts |= {"n0": second_succeeds, "n2": second_succeeds}

    async with runs.workers():
        handle = await runs.start(fork_graph(), int_map(), settings=HOLD)
        operator = Operator(handle)
        await operator.held("n0", "n2")
        answers = await asyncio.gather(
            *(operator.edit(revision=0, retry=edits_pb2.RetryNode(node_id=node)) for node in ("n0", "n2")),
            return_exceptions=True,
        )
        await operator.edit(execution=edits_pb2.ExecutionEdit(on_failure="fail"))
        await runs.wait(handle)

    won = [answer.revision for answer in answers if isinstance(answer, edits_pb2.EditResponse)]
    lost = [answer.cause for answer in answers if isinstance(answer, WorkflowUpdateFailedError)]
    assert won == [1]
    assert [cause.type for cause in lost if isinstance(cause, ApplicationError)] == ["Conflict"]


async def test_an_edit_that_arrives_before_the_first_worker_is_checked_when_the_run_knows_its_nodes(
    engine_runs: EngineRuns,
) -> None:
    runs = engine_runs

    handle = await runs.start(chain(2), int_map(a=0))
    operator = Operator(handle)
    skipping = asyncio.create_task(operator.skip("n1"))
    unknown = asyncio.create_task(operator.refusal(skip=edits_pb2.SkippedNode(node_id="n9")))
    await asyncio.sleep(0.5)
    async with runs.workers():
        await skipping
        kind, _ = await unknown
        phase = await runs.wait(handle)

    assert (phase, kind, runs.outputs()) == ("SUCCEEDED", "NotFound", SKIPPED)
