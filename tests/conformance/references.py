"""References to tasks, workflows and launch plans that are registered elsewhere, here in another project.

Register ``library.py`` in project ``flytetester``, domain ``staging``, as version ``library-1`` first.
"""

from typing import List

from case import Case, Run
from flyteidl.event import event_pb2
from flytekit import dynamic, map_task, reference_launch_plan, reference_task, reference_workflow, task, workflow

PLACE = {"project": "flytetester", "domain": "staging", "version": "library-1"}


@reference_task(name="library.add", **PLACE)
def add(a: int, b: int) -> int: ...


@reference_workflow(name="library.add_twice", **PLACE)
def add_twice(a: int) -> int:
    """flytekit can launch it, but not use it inside other workflows."""
    return a


@reference_launch_plan(name="library.hundred_more", **PLACE)
def hundred_more(a: int) -> int: ...


@task
def increment(a: int) -> int:
    return a + 1


@workflow
def refers(a: int) -> int:
    return hundred_more(a=add(a=a, b=increment(a=a)))


@dynamic
def refers_while_it_runs(a: int) -> int:
    return hundred_more(a=increment(a=a))


@workflow
def refers_late(a: int) -> int:
    return refers_while_it_runs(a=a)


@workflow
def maps_a_reference(a: List[int]) -> List[int]:
    return map_task(hundred_more)(a=a)


def stays_in_its_domain(run: Run) -> None:
    """A child runs in its parent's project and domain, not in those of its launch plan."""
    (node,) = [node for node in run.nodes().values() if node.closure.HasField("workflow_node_metadata")]
    child = run.execution_of(node.closure.workflow_node_metadata.executionId)
    assert (child.id.project, child.id.domain) == (run.id.project, run.id.domain)
    assert (child.spec.launch_plan.project, child.spec.launch_plan.domain) == ("flytetester", "staging")


def runs_as_its_task_says(run: Run) -> None:
    """flytekit copies the policies of a task to its nodes only if it knows the task."""
    (reference,) = [node for node in run.nodes() if run.nodes()[node].metadata.spec_node_id == "n1"]
    assert run.attempts(reference)[0].closure.metadata.instance_class == event_pb2.TaskExecutionMetadata.INTERRUPTIBLE


def both(run: Run) -> None:
    stays_in_its_domain(run)
    runs_as_its_task_says(run)


CASES = [
    Case(refers, {"a": 1}, {"o0": 103}, check=both),
    Case(add_twice, {"a": 1}, {"o0": 3}),
    Case(refers_late, {"a": 1}, {"o0": 102}),
    Case(maps_a_reference, {"a": [1, 2]}, {"o0": [101, 102]}),
]
