"""Forks: what runs reuses only what the fork's file names, and runs with the resources that the fork gives."""

import pytest
from flyteidl.core import identifier_pb2, tasks_pb2

from flytetemporal.contracts.v1 import execution_pb2
from tests.fixtures.engine_runs import EngineRuns, int_map
from tests.integration.workflows.graphs import chain
from tests.integration.workflows.test_arrays import array, lists
from tests.integration.workflows.test_recovery import earlier, takes_stored_inputs

FILE = "memory://store/metadata/propeller/p-d-new/reused/0"
MEMORY = tasks_pb2.Resources.ResourceEntry(name=tasks_pb2.Resources.MEMORY, value="8Gi")
LARGE = tasks_pb2.Resources(requests=[MEMORY], limits=[MEMORY])


@pytest.fixture
def runs(engine_runs: EngineRuns) -> EngineRuns:
    engine_runs.recovered_from = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="old")
    engine_runs.reused = execution_pb2.ContentReference(uri=FILE, sha256="0", size_bytes=1)
    return engine_runs


async def test_a_fork_reuses_what_its_file_names(runs: EngineRuns) -> None:
    runs.default_script = takes_stored_inputs
    runs.earlier[""] = [earlier(runs, "n0", 10)]

    async with runs.workers():
        phase = await runs.outcome(chain(3), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert [attempt.node_event.id.node_id for attempt in runs.attempts] == ["n1", "n2"]
    assert runs.phases()["n0"] == ["RECOVERED"]
    assert runs.reused_files == [FILE]


async def test_a_fork_reads_its_file_again_in_a_later_run(runs: EngineRuns) -> None:
    runs.history_events = 60
    runs.earlier[""] = [earlier(runs, f"n{i}", i) for i in range(0, 30, 2)]

    async with runs.workers():
        handle = await runs.start(chain(30), int_map(a=1))
        phase = await runs.wait(handle)

    assert phase == "SUCCEEDED"
    assert len(await runs.histories(handle)) > 1
    assert {attempt.node_event.id.node_id for attempt in runs.attempts} == {f"n{i}" for i in range(1, 30, 2)}
    assert set(runs.reused_files) == {FILE}


async def test_an_attempt_gets_the_resources_that_the_fork_gives_to_its_node(runs: EngineRuns) -> None:
    runs.node_resources["n1"] = LARGE
    graph = chain(2)
    own = graph.workflows[0].nodes[3].task.overrides.resources
    own.requests.add(name=tasks_pb2.Resources.CPU, value="2")
    own.requests.add(name=tasks_pb2.Resources.MEMORY, value="1Gi")

    async with runs.workers():
        await runs.outcome(graph, int_map(a=1))

    first, second = runs.attempts
    assert not first.HasField("overrides")
    found = second.overrides.resources
    assert [(entry.name, entry.value) for entry in found.requests] == [
        (tasks_pb2.Resources.CPU, "2"),
        (tasks_pb2.Resources.MEMORY, "8Gi"),
    ]
    assert list(found.limits) == [MEMORY]
    assert [attempt.shows_memory for attempt in runs.attempts] == [False, True]


@pytest.mark.parametrize("size", [3, 501], ids=["in the execution", "in shards"])
@pytest.mark.parametrize("elements", [True, False], ids=["reused", "all again"])
async def test_elements_are_reused_only_if_the_file_says_so(runs: EngineRuns, size: int, *, elements: bool) -> None:
    runs.default_script = takes_stored_inputs
    runs.node_resources["n0"] = LARGE
    runs.earlier_elements = {index: int_map(o0=index) for index in range(size) if index != 1}
    runs.earlier[""] = [execution_pb2.EarlierNode(node_id="n0", elements=True)] if elements else []

    async with runs.workers():
        phase = await runs.outcome(array(), lists(a=list(range(size))))

    assert phase == "SUCCEEDED"
    ran = {attempt.element.index for attempt in runs.attempts}
    assert ran == ({1} if elements else set(range(size)))
    assert {attempt.overrides.resources.limits[0].value for attempt in runs.attempts} == {"8Gi"}
