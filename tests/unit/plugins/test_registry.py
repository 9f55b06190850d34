from collections.abc import AsyncIterator

import pytest
from flyteidl.core import tasks_pb2

from flytetemporal.plugins.protocol import PhaseInfo, Rejected, TaskContext, succeeded
from flytetemporal.plugins.registry import Registry


class Named:
    """A plugin that only has a name."""

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    async def start(self, context: TaskContext) -> bytes:
        return b""

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        yield succeeded()

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        return None


PROCESSES, CONTAINERS, SPARK = Named("container"), Named("container"), Named("spark")
REGISTRY = Registry(PROCESSES, CONTAINERS, ["acme/*", "exact:1"], by_type={"spark": SPARK})
RAW = tasks_pb2.Container(data_config={"enabled": True})


@pytest.mark.parametrize("kind", ["python-task", "container", "anything-with-an-image"])
def test_whatever_carries_a_container_runs(kind: str) -> None:
    task = tasks_pb2.TaskTemplate(type=kind, container=tasks_pb2.Container(args=["x"]))

    assert REGISTRY.find(task, "some:image") is PROCESSES


@pytest.mark.parametrize(
    ("task", "image"),
    [
        (tasks_pb2.TaskTemplate(type="raw-container", container=tasks_pb2.Container()), "some:image"),
        (tasks_pb2.TaskTemplate(type="python-task", container=RAW), "some:image"),
        (tasks_pb2.TaskTemplate(type="python-task", container=tasks_pb2.Container()), "acme/train:3"),
        (tasks_pb2.TaskTemplate(type="python-task", container=tasks_pb2.Container()), "exact:1"),
    ],
)
def test_raw_containers_and_images_that_the_worker_wants_run_in_containers(
    task: tasks_pb2.TaskTemplate, image: str
) -> None:
    assert REGISTRY.find(task, image) is CONTAINERS


def test_a_plugin_for_the_type_comes_first() -> None:
    assert REGISTRY.find(tasks_pb2.TaskTemplate(type="spark", container=tasks_pb2.Container()), "acme/x") is SPARK


@pytest.mark.parametrize(
    "task",
    [
        tasks_pb2.TaskTemplate(type="bigquery"),
        tasks_pb2.TaskTemplate(type="sidecar", k8s_pod=tasks_pb2.K8sPod()),
        tasks_pb2.TaskTemplate(type="aws-batch", container=tasks_pb2.Container(args=["x"])),
    ],
)
def test_the_rest_is_rejected_by_its_type(task: tasks_pb2.TaskTemplate) -> None:
    with pytest.raises(Rejected) as caught:
        REGISTRY.find(task, "")

    assert caught.value.code == "UnsupportedTaskType"
    assert f"[{task.type}]" in caught.value.message
