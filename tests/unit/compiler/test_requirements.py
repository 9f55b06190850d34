from flyteidl.core import workflow_pb2

from flytetemporal.compiler.requirements import requirements
from tests.fixtures import templates as t


def test_tasks_and_launch_plans_are_found_everywhere_once_and_sorted() -> None:
    inner = t.workflow("inner", [t.node(ref="in-subworkflow"), t.sub_workflow_node("n1", "w")])
    array = workflow_pb2.ArrayNode(node=t.launch_plan_node("x", "in-array"))
    nested = t.branch("b", t.case(t.node("c", ref="in-nested-branch")), error="e")
    nodes = [
        t.node("n0", ref="plain"),
        t.node("n1", ref="plain"),
        t.launch_plan_node("n2", "plan"),
        t.sub_workflow_node("n3", "inner"),
        t.sub_workflow_node("n4", "not-given"),
        t.branch("n5", t.case(nested), t.case(t.node("d", ref="in-case")), otherwise=t.node("e", ref="in-else")),
        t.bare("n6", array_node=array),
    ]

    tasks, launch_plans = requirements(t.workflow(nodes=nodes, on_failure=t.node("fn0", ref="on-failure")), [inner])

    names = ["in-case", "in-else", "in-nested-branch", "in-subworkflow", "on-failure", "plain"]
    assert tasks == [t.identifier("TASK", name) for name in names]
    assert launch_plans == [t.identifier("LAUNCH_PLAN", name) for name in ("in-array", "plan")]
