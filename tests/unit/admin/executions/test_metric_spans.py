"""Span trees have the same shape as in Flyte."""

import itertools

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import compiler_pb2, identifier_pb2, metrics_pb2, workflow_pb2
from google.protobuf import duration_pb2, timestamp_pb2

from flytetemporal.admin.executions import metric_spans
from flytetemporal.admin.executions.metric_spans import Recorded

TASK_SHAPE = "task(TASK_SETUP TASK_RUNTIME TASK_TEARDOWN)"
EXECUTION = identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e")
SUB = identifier_pb2.Identifier(resource_type=identifier_pb2.WORKFLOW, project="p", domain="d", name="sub", version="v")


def at(second: float) -> timestamp_pb2.Timestamp:
    return timestamp_pb2.Timestamp(seconds=1_700_000_000 + int(second))


def node(
    node_id: str, spec_id: str, created: int, updated: int, started: int | None = None, *, parent: bool = False
) -> node_execution_pb2.NodeExecution:
    closure = node_execution_pb2.NodeExecutionClosure(created_at=at(created), updated_at=at(updated))
    if started is not None:
        closure.started_at.CopyFrom(at(started))
        closure.duration.CopyFrom(duration_pb2.Duration(seconds=updated - started))
    return node_execution_pb2.NodeExecution(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=EXECUTION),
        closure=closure,
        metadata=node_execution_pb2.NodeExecutionMetaData(spec_node_id=spec_id, is_parent_node=parent),
    )


def attempt(created: int, started: int, updated: int, retry: int = 0) -> task_execution_pb2.TaskExecution:
    return task_execution_pb2.TaskExecution(
        id=identifier_pb2.TaskExecutionIdentifier(retry_attempt=retry),
        closure=task_execution_pb2.TaskExecutionClosure(
            created_at=at(created),
            started_at=at(started),
            updated_at=at(updated),
            duration=duration_pb2.Duration(seconds=updated - started),
        ),
    )


def definition(*nodes: workflow_pb2.Node, id_: identifier_pb2.Identifier = SUB) -> compiler_pb2.CompiledWorkflow:
    """A chain of nodes in the order given."""
    chain = ["start-node", *(one.id for one in nodes), "end-node"]
    IdList = compiler_pb2.ConnectionSet.IdList  # noqa: N806
    upstream = {after: IdList(ids=[before]) for before, after in itertools.pairwise(chain)}
    return compiler_pb2.CompiledWorkflow(
        template=workflow_pb2.WorkflowTemplate(id=id_, nodes=nodes),
        connections=compiler_pb2.ConnectionSet(upstream=upstream),
    )


def task_node(node_id: str) -> workflow_pb2.Node:
    return workflow_pb2.Node(id=node_id, task_node=workflow_pb2.TaskNode())


def recorded(primary: compiler_pb2.CompiledWorkflow, *nodes: node_execution_pb2.NodeExecution) -> Recorded:
    return Recorded(
        EXECUTION,
        execution_pb2.ExecutionClosure(created_at=at(0), updated_at=at(100)),
        compiler_pb2.CompiledWorkflowClosure(primary=primary),
        {"": [node("start-node", "start-node", 1, 1), *nodes, node("end-node", "end-node", 99, 99)]},
    )


def shape(span: metrics_pb2.Span) -> str:
    kind = span.WhichOneof("id") or ""
    name = span.operation_id if kind == "operation_id" else kind.removesuffix("_id")
    return f"{name}({' '.join(shape(child) for child in span.spans)})" if span.spans else name


def tree(of: Recorded, depth: int = 10) -> str:
    return shape(metric_spans.of_execution(of, depth))


def test_a_retried_task_shows_the_time_between_its_attempts() -> None:
    run = recorded(definition(task_node("n0")), node("n0", "n0", 2, 10, 3))
    run.tasks["n0"] = [attempt(3, 4, 5), attempt(6, 7, 9, retry=1)]

    assert tree(run) == (
        f"workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP {TASK_SHAPE} NODE_RESET {TASK_SHAPE} NODE_TEARDOWN) "
        "WORKFLOW_TEARDOWN)"
    )


def test_a_task_that_never_ran_is_all_setup() -> None:
    run = recorded(definition(task_node("n0")), node("n0", "n0", 2, 10))

    assert tree(run) == "workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP) WORKFLOW_TEARDOWN)"


def test_an_execution_that_never_ran_is_all_setup() -> None:
    run = Recorded(EXECUTION, execution_pb2.ExecutionClosure(created_at=at(0), updated_at=at(1)))

    assert tree(run) == "workflow(WORKFLOW_SETUP)"


def test_a_node_that_ends_before_its_task_has_no_teardown() -> None:
    run = recorded(definition(task_node("n0")), node("n0", "n0", 2, 8, 3))
    run.tasks["n0"] = [attempt(3, 4, 9)]

    assert "NODE_TEARDOWN" not in tree(run)


def test_depth_counts_levels_down() -> None:
    run = recorded(definition(task_node("n0")), node("n0", "n0", 2, 10, 3))
    run.tasks["n0"] = [attempt(3, 4, 9)]

    assert tree(run, 0) == "workflow"
    assert tree(run, 1) == "workflow(WORKFLOW_SETUP node(NODE_TRANSITION) WORKFLOW_TEARDOWN)"
    assert tree(run, 2) == (
        "workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP task NODE_TEARDOWN) WORKFLOW_TEARDOWN)"
    )
    assert tree(run, -1) == tree(run, 10)


def test_a_branch_shows_the_node_it_took() -> None:
    branch = workflow_pb2.Node(id="n0")
    branch.branch_node.if_else.else_node.CopyFrom(task_node("n2"))
    run = recorded(definition(branch), node("n0", "n0", 2, 10, 3))
    run.levels["n0"] = [node("n0-0-n2", "n2", 3, 9, 4)]
    run.tasks["n0-0-n2"] = [attempt(4, 5, 8)]

    assert tree(run) == (
        f"workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP node(NODE_SETUP {TASK_SHAPE} NODE_TEARDOWN) "
        "NODE_TEARDOWN) WORKFLOW_TEARDOWN)"
    )


def test_a_gate_is_idle_until_it_opens() -> None:
    gate = workflow_pb2.Node(id="n0", gate_node=workflow_pb2.GateNode())
    run = recorded(definition(gate), node("n0", "n0", 2, 10, 3))

    assert tree(run) == (
        "workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP NODE_IDLE NODE_TEARDOWN) WORKFLOW_TEARDOWN)"
    )


def test_an_array_has_no_parts() -> None:
    array = workflow_pb2.Node(id="n0", array_node=workflow_pb2.ArrayNode())
    run = recorded(definition(array), node("n0", "n0", 2, 10, 3))

    assert tree(run) == "workflow(WORKFLOW_SETUP node(NODE_TRANSITION) WORKFLOW_TEARDOWN)"


def test_a_subworkflow_is_found_in_the_closure() -> None:
    sub = workflow_pb2.Node(id="n0", workflow_node=workflow_pb2.WorkflowNode(sub_workflow_ref=SUB))
    run = recorded(definition(sub), node("n0", "n0", 2, 20, 3))
    run.definition.sub_workflows.append(definition(task_node("m0")))
    run.levels["n0"] = [node("n0-0-start-node", "start-node", 3, 3), node("n0-0-m0", "m0", 4, 9, 5)]
    run.tasks["n0-0-m0"] = [attempt(5, 6, 8)]

    assert tree(run) == (
        "workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP node(NODE_TRANSITION NODE_SETUP "
        f"{TASK_SHAPE} NODE_TEARDOWN) NODE_TEARDOWN) WORKFLOW_TEARDOWN)"
    )


def test_a_dynamic_node_shows_its_task_and_what_it_made() -> None:
    run = recorded(definition(task_node("n0")), node("n0", "n0", 2, 30, 3, parent=True))
    run.tasks["n0"] = [attempt(3, 4, 9)]
    run.dynamic["n0"] = compiler_pb2.CompiledWorkflowClosure(primary=definition(task_node("dn0")))
    run.levels["n0"] = [node("n0-0-start-node", "start-node", 10, 10), node("n0-0-dn0", "dn0", 11, 20, 12)]
    run.tasks["n0-0-dn0"] = [attempt(12, 13, 19)]

    assert tree(run) == (
        f"workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP {TASK_SHAPE} NODE_RESET "
        f"node(NODE_TRANSITION NODE_SETUP {TASK_SHAPE} NODE_TEARDOWN) NODE_TEARDOWN) WORKFLOW_TEARDOWN)"
    )


def test_a_launch_plan_node_shows_the_execution_it_started() -> None:
    plan = workflow_pb2.Node(id="n0", workflow_node=workflow_pb2.WorkflowNode(launchplan_ref=SUB))
    run = recorded(definition(plan), node("n0", "n0", 2, 200, 3))
    run.children["n0"] = recorded(definition(task_node("n0")), node("n0", "n0", 2, 10))

    assert tree(run) == (
        "workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP workflow(WORKFLOW_SETUP "
        "node(NODE_TRANSITION NODE_SETUP) WORKFLOW_TEARDOWN) NODE_TEARDOWN))"
    )


def test_a_failure_node_is_part_of_the_tree() -> None:
    primary = definition(task_node("n0"))
    primary.template.failure_node.CopyFrom(task_node("fn0"))
    run = recorded(primary, node("n0", "n0", 2, 10), node("fn0", "fn0", 11, 20))

    assert tree(run) == "workflow(WORKFLOW_SETUP node(NODE_TRANSITION NODE_SETUP) node(NODE_SETUP) WORKFLOW_TEARDOWN)"
