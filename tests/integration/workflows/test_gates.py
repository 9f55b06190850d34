import asyncio

from flyteidl.core import literals_pb2

from flytetemporal.contracts.v1 import graph_pb2
from tests.fixtures.engine_runs import EngineRuns, bind, body, constant, int_map, integer, task_node, task_summary
from tests.fixtures.waiting import bounded
from tests.integration.workflows.graphs import approve_node, signal_node, single, sleep_node

TRUE = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(boolean=True)))
FALSE = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(boolean=False)))


async def asked(runs: EngineRuns, times: int = 1) -> None:
    """Return when gates have read their signals ``times`` times."""
    while len(runs.asked) < times:  # noqa: ASYNC110  the fixture's activity only appends
        await asyncio.sleep(0.02)


async def test_a_sleep_gate_passes_when_its_time_is_over(engine_runs: EngineRuns) -> None:
    runs = engine_runs

    async with runs.workers():
        phase = await runs.outcome(single(sleep_node("n0", [0], 0.1)), int_map())

    assert phase == "SUCCEEDED"
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert [event.output_uri for event in runs.node_events if event.id.node_id == "n0"] == ["", "", ""]


async def test_a_signal_gate_takes_a_value_that_is_set_while_it_waits(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    nodes = [signal_node("n0", [0]), task_node("n1", [2], [bind("a", "n0", "o0")])]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n1", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        await bounded(asked(runs))
        await runs.set_signal(handle, "number", integer(41))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=42)
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "SUCCEEDED"]


async def test_a_signal_gate_takes_a_value_that_was_set_before(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.signals["number"] = integer(7)

    async with runs.workers():
        phase = await runs.outcome(single(signal_node("n0", [0]), [bind("o0", "n0", "o0")]), int_map())

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=7)


async def test_being_told_of_a_signal_again_changes_nothing(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    nodes = [signal_node("n0", [0]), sleep_node("n1", [2], 0.2)]
    graph = graph_pb2.Graph(workflows=[body(nodes, [bind("o0", "n0", "o0")])], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        await bounded(asked(runs))
        await runs.set_signal(handle, "another", integer(1))
        for value in (1, 2):
            await runs.set_signal(handle, "number", integer(value))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert runs.outputs() in (int_map(o0=1), int_map(o0=2))


async def test_gates_of_one_name_share_their_signal(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    nodes = [signal_node("n0", [0]), signal_node("n1", [0])]
    outputs = [bind("o0", "n0", "o0"), bind("o1", "n1", "o0")]
    graph = graph_pb2.Graph(workflows=[body(nodes, outputs)], tasks=[task_summary()])

    async with runs.workers():
        handle = await runs.start(graph, int_map())
        await bounded(asked(runs, 2))
        await runs.set_signal(handle, "number", integer(5))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=5, o1=5)


async def test_an_approval_hands_its_input_on(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    graph = single(approve_node("n0", [0], [bind("o0", "start-node", "a")]), [bind("o0", "n0", "o0")])

    async with runs.workers():
        handle = await runs.start(graph, int_map(a=3))
        await bounded(asked(runs))
        await runs.set_signal(handle, "go", TRUE)
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert runs.outputs() == int_map(o0=3)


async def test_a_rejection_is_the_users_error(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.signals["go"] = FALSE

    async with runs.workers():
        phase = await runs.outcome(single(approve_node("n0", [0], [constant("o0", 1)])), int_map())

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert (error.code, error.kind) == ("ReceivedRejectSignal", error.USER)


async def test_an_approval_that_is_no_boolean_fails_the_gate(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    runs.signals["go"] = integer(1)

    async with runs.workers():
        phase = await runs.outcome(single(approve_node("n0", [0], [constant("o0", 1)])), int_map())

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert (error.code, error.kind) == ("RuntimeExecutionError", error.UNKNOWN)


async def test_a_gate_that_waits_too_long_fails_with_flytes_code(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    node = signal_node("n0", [0])
    node.timeout.FromSeconds(1)

    async with runs.workers():
        phase = await runs.outcome(single(node), int_map())

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert error.code == "RetriesExhausted|TimeoutExpired"
    assert error.message == "[1/1] currentAttempt done. Last Error: USER::task execution timeout [1s] expired"
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "FAILED"]


async def test_a_gate_waits_as_often_as_its_retries_say(engine_runs: EngineRuns) -> None:
    runs = engine_runs
    node = signal_node("n0", [0])
    node.timeout.FromSeconds(2)
    node.retries = 2

    async with runs.workers():
        phase = await runs.outcome(single(node), int_map())

    error = runs.workflow_events[-1].error
    assert phase == "FAILED"
    assert error.code == "RetriesExhausted|TimeoutExpired"
    assert error.message == "[3/3] currentAttempt done. Last Error: USER::task execution timeout [2s] expired"
    assert runs.phases()["n0"] == ["QUEUED", "RUNNING", "FAILED"]
