"""Launch plans: run directly, and from workflows as separate executions; fixed and default inputs, nested.

The record of a child names its parent, and a child inherits the settings with which its parent was launched.
"""

from case import Case, Run
from flytekit import LaunchPlan, task, workflow
from flytekit.core.options import Options
from flytekit.models.common import Annotations, Labels, RawOutputDataConfig


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@workflow
def sum_of(a: int, b: int = 10) -> int:
    return add(a=a, b=b)


by_default = LaunchPlan.get_or_create(sum_of)
defaulted = LaunchPlan.get_or_create(sum_of, "launch_plans.defaulted", default_inputs={"a": 5})
fixed = LaunchPlan.get_or_create(sum_of, "launch_plans.fixed", default_inputs={"a": 3}, fixed_inputs={"b": 40})


@workflow
def middle(a: int) -> int:
    return fixed(a=by_default(a=a, b=2))


middle_plan = LaunchPlan.get_or_create(middle, "launch_plans.middle_plan")


@workflow
def of_every_kind(a: int) -> (int, int, int):
    return by_default(a=a), defaulted(b=a), fixed()


@workflow
def nested(a: int) -> int:
    return middle_plan(a=a)


@task
def environment(name: str) -> str:
    import os

    return os.environ.get(name, "")


@workflow
def asks_the_environment(name: str) -> str:
    return environment(name=name)


asking = LaunchPlan.get_or_create(asks_the_environment, "launch_plans.asking")


@workflow
def inheriting(name: str) -> str:
    return asking(name=name)


def has_children(run: Run) -> None:
    for node in ("n0", "n1", "n2"):
        child = run.execution_of(run.child_of(node))
        metadata = child.spec.metadata
        assert (metadata.parent_node_execution.execution_id, metadata.parent_node_execution.node_id) == (run.id, node)
        assert (metadata.mode, metadata.nesting) == (metadata.CHILD_WORKFLOW, 1)
        assert {"start-node", "n0", "end-node"} == set(run.nodes(of=child.id))


def goes_two_levels_down(run: Run) -> None:
    child = run.child_of("n0")
    for node in run.nodes(of=child).values():
        if node.closure.HasField("workflow_node_metadata"):
            grandchild = run.execution_of(node.closure.workflow_node_metadata.executionId)
            assert grandchild.spec.metadata.nesting == 2


def was_inherited(run: Run) -> None:
    ours, theirs = run.execution.spec, run.execution_of(run.child_of("n0")).spec
    assert theirs.max_parallelism == ours.max_parallelism == 3
    assert theirs.raw_output_data_config == ours.raw_output_data_config
    assert theirs.raw_output_data_config.output_location_prefix
    assert theirs.interruptible.value
    assert theirs.overwrite_cache
    assert dict(theirs.labels.values)["team"] == "ours"
    assert dict(theirs.annotations.values)["note"] == "kept"
    assert [(pair.key, pair.value) for pair in theirs.envs.values] == [("COLOUR", "blue")]


LAUNCHED = {
    "options": Options(
        labels=Labels({"team": "ours"}),
        annotations=Annotations({"note": "kept"}),
        max_parallelism=3,
        raw_output_data_config=RawOutputDataConfig("/tmp/conformance-raw"),
    ),
    "envs": {"COLOUR": "blue"},
    "interruptible": True,
    "overwrite_cache": True,
}
CASES = [
    Case(by_default, {"a": 1}, {"o0": 11}),
    Case(defaulted, outputs={"o0": 15}),
    Case(fixed, {"a": 2}, {"o0": 42}),
    Case(of_every_kind, {"a": 1}, {"o0": 11, "o1": 6, "o2": 43}, check=has_children),
    Case(nested, {"a": 1}, {"o0": 43}, check=goes_two_levels_down),
    Case(inheriting, {"name": "COLOUR"}, {"o0": "blue"}, launched=LAUNCHED, check=was_inherited),
]
