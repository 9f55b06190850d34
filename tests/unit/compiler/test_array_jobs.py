"""Tasks of type container_array become arrays of the graph."""

from typing import Any

import pytest
from flyteidl.core import tasks_pb2
from google.protobuf import struct_pb2

from flytetemporal.compiler import task
from flytetemporal.compiler.compact import compact
from flytetemporal.compiler.workflow import compile_workflow
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.errors import InvalidRequest
from tests.fixtures import templates as t


def job_task(version: int, custom: dict[str, Any] | None) -> tasks_pb2.TaskTemplate:
    template = t.task_template("jobs")
    template.type, template.task_type_version = "container_array", version
    if custom is not None:
        template.custom.CopyFrom(struct_pb2.Struct())
        template.custom.update(custom)
    else:
        template.ClearField("custom")
    return template


def node_of(version: int, custom: dict[str, Any] | None) -> graph_pb2.Node:
    node = t.node(ref="jobs")
    node.metadata.retries.retries = 3
    node.metadata.interruptible = True
    node.task_node.overrides.container_image = "other:1"
    compiled = compile_workflow(
        t.workflow(nodes=[node]), [], [*t.TASKS, task.compile_task(job_task(version, custom))], []
    )
    graph, templates = compact(compiled)
    assert [template.type for template in templates.tasks] == ["container_array"]
    return graph.workflows[0].nodes[2]


def test_a_job_is_an_array_of_its_own_task() -> None:
    node = node_of(1, {"parallelism": 4, "minSuccessRatio": 0.5})

    array = node.array
    assert (node.id, array.node.id, array.node.task.task) == ("n0", "n0", 0)
    assert (array.node.retries, array.node.interruptible.value) == (3, True)
    assert array.node.task.overrides.container_image == "other:1"
    assert (array.parallelism.value, array.min_success_ratio) == (4, 0.5)
    assert array.HasField("job")
    assert not array.job.HasField("size")


@pytest.mark.parametrize(
    ("version", "custom", "parallelism", "size", "criteria"),
    [
        (1, None, 1, None, None),
        (1, {}, 0, None, None),
        (2, {"minSuccessRatio": 1}, 0, None, "min_success_ratio"),
        (0, None, 1, 1, None),
        (0, {"size": "3", "minSuccesses": "2", "parallelism": "0"}, 0, 3, "min_successes"),
        (0, {"size": 3, "min_successes": 2, "unknown": "x"}, 0, 3, "min_successes"),
    ],
)
def test_defaults_and_sizes_follow_the_version(
    version: int, custom: dict[str, Any] | None, parallelism: int, size: int | None, criteria: str | None
) -> None:
    array = node_of(version, custom).array

    assert array.parallelism.value == parallelism
    assert (array.job.size.value if array.job.HasField("size") else None) == size
    assert array.WhichOneof("success_criteria") == criteria


@pytest.mark.parametrize(("version", "reads"), [("1.16.0", True), ("1.13.13", False)])
def test_a_job_says_whether_its_program_reads_references(version: str, reads: bool) -> None:
    template = job_task(1, {})
    template.metadata.runtime.type, template.metadata.runtime.version = tasks_pb2.RuntimeMetadata.FLYTE_SDK, version
    compiled = compile_workflow(t.workflow(nodes=[t.node(ref="jobs")]), [], [*t.TASKS, task.compile_task(template)], [])

    graph, _ = compact(compiled)

    assert graph.workflows[0].nodes[2].array.job.reads_references == reads


@pytest.mark.parametrize("custom", [{"size": "many"}, {"size": -1}, {"parallelism": -5}, {"minSuccesses": 2**40}])
def test_what_is_no_job_is_refused_by_the_name_of_its_task(custom: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"task jobs of type \[container_array\]"):
        node_of(0, custom)
