"""Nested workflows: up to the limit, and no deeper."""

from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.workflows.node.outcomes import USER
from tests.fixtures.engine_runs import EngineRuns, bind, body, constant, int_map, task_node, task_summary
from tests.integration.workflows.graphs import chain
from tests.integration.workflows.test_dynamic import made, returns_a_workflow

LIMIT = AdminSettings().max_workflow_depth


def nested(levels: int) -> graph_pb2.Graph:
    """Subworkflows ``levels`` deep; the innermost adds one to the input."""
    workflows = []
    for level in range(levels):
        node = graph_pb2.Node(id="n0", name="n0", upstream=[0], inputs=[bind("a", "start-node", "a")])
        node.subworkflow.workflow = level + 1
        workflows.append(body([node], [bind("o0", "n0", "o0")], name=f"w{level}"))
    innermost = task_node("n0", [0], [bind("a", "start-node", "a")])
    workflows.append(body([innermost], [bind("o0", "n0", "o0")], name="innermost"))
    return graph_pb2.Graph(workflows=workflows, tasks=[task_summary()])


async def test_subworkflows_run_down_to_the_limit(engine_runs: EngineRuns) -> None:
    engine_runs.max_depth = LIMIT

    async with engine_runs.workers():
        phase = await engine_runs.outcome(nested(LIMIT), int_map(a=1))

    assert phase == "SUCCEEDED"
    assert engine_runs.outputs() == int_map(o0=2)
    assert len(engine_runs.attempts) == 1


async def test_a_level_below_the_limit_fails_its_node_as_the_users_error(engine_runs: EngineRuns) -> None:
    engine_runs.max_depth = 3

    async with engine_runs.workers():
        phase = await engine_runs.outcome(nested(4), int_map(a=1))

    assert phase == "FAILED"
    error = engine_runs.workflow_events[-1].error
    assert (error.code, error.kind) == ("WorkflowTooDeep", USER)
    assert "4 levels below" in error.message
    assert "FLYTETEMPORAL_ADMIN__MAX_WORKFLOW_DEPTH" in error.message
    assert not engine_runs.attempts


async def test_a_dynamic_workflow_that_makes_itself_again_ends(engine_runs: EngineRuns) -> None:
    engine_runs.max_depth = 6
    for name in ("n0", "dn0"):
        engine_runs.scripts[name] = returns_a_workflow
        engine_runs.dynamic[name] = made(task_node("dn0", [0], [constant("a", 1)]))

    async with engine_runs.workers():
        phase = await engine_runs.outcome(chain(1), int_map(a=1))

    assert phase == "FAILED"
    error = engine_runs.workflow_events[-1].error
    assert (error.code, error.kind) == ("WorkflowTooDeep", USER)
    assert "7 levels below" in error.message
    assert len(engine_runs.attempts) == 7


async def test_without_a_limit_there_is_none(engine_runs: EngineRuns) -> None:
    async with engine_runs.workers():
        phase = await engine_runs.outcome(nested(LIMIT + 10), int_map(a=1))

    assert phase == "SUCCEEDED"
