"""Random graphs, run by the engine and by a reference interpreter of a few lines: the same phases, the same outputs."""

import asyncio
from dataclasses import dataclass

from flyteidl.core import workflow_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from temporalio.client import Client

from flytetemporal.contracts import payloads
from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from tests.fixtures.engine_runs import EngineRuns, bind, body, failed, int_map, succeeded, task_node, task_summary

CARRY_ON = workflow_pb2.WorkflowMetadata.FAIL_AFTER_EXECUTABLE_NODES_COMPLETE


@dataclass(frozen=True)
class Case:
    """``upstream[i]`` lists the nodes before node i; node i adds one to the largest of them, or fails."""

    upstream: tuple[tuple[int, ...], ...]
    failing: frozenset[int]
    echo: frozenset[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    size = draw(st.integers(1, 9))
    upstream = tuple(tuple(sorted(draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else () for i in range(size))
    failing = draw(st.frozensets(st.integers(0, size - 1), max_size=2))
    return Case(upstream, failing, draw(st.frozensets(st.integers(0, size - 1))) - failing)


def graph(case: Case) -> graph_pb2.Graph:
    nodes = []
    for i, before in enumerate(case.upstream):
        source = bind("a", f"n{before[0]}", "o0") if before else bind("a", "start-node", "a")
        nodes.append(task_node(f"n{i}", [j + 2 for j in before] or [0], [source], task=int(i in case.echo)))
    workflow = body(nodes, [bind(f"o{i}", f"n{i}", "o0") for i in range(len(nodes))])
    workflow.on_failure = CARRY_ON
    return graph_pb2.Graph(workflows=[workflow], tasks=[task_summary(), task_summary("e", "echo")])


def reference(case: Case) -> dict[str, int | str]:
    """Return each node's value, or how it ended without one."""
    ends: dict[str, int | str] = {}
    for i, before in enumerate(case.upstream):
        values = [ends[f"n{j}"] for j in before]
        if any(isinstance(value, str) for value in values):
            ends[f"n{i}"] = "SKIPPED"
        elif i in case.failing:
            ends[f"n{i}"] = "FAILED"
        else:
            first = values[0] if values else 1
            assert isinstance(first, int)
            ends[f"n{i}"] = first + (i not in case.echo)
    return ends


async def boom(_: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return failed("USER:Boom")


async def add(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    return succeeded(o0=attempt.inputs.literals.literals["a"].scalar.primitive.integer + 1)


async def run(address: str, case: Case) -> None:
    runs = EngineRuns(await Client.connect(address, data_converter=payloads.DATA_CONVERTER))
    runs.scripts = {f"n{i}": boom if i in case.failing else add for i in range(len(case.upstream))}

    async with runs.workers():
        phase = await runs.outcome(graph(case), int_map(a=1))

    expected = reference(case)
    ends = {name: phases[-1] for name, phases in runs.phases().items() if name.startswith("n")}
    assert ends == {name: end if isinstance(end, str) else "SUCCEEDED" for name, end in expected.items()}
    if any(isinstance(end, str) for end in expected.values()):
        assert phase == "FAILED"
    else:
        assert phase == "SUCCEEDED"
        assert runs.outputs() == int_map(**{f"o{name[1:]}": int(value) for name, value in expected.items()})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases())
def test_the_engine_agrees_with_the_reference_interpreter(temporal_address: str, case: Case) -> None:
    asyncio.run(run(temporal_address, case))
