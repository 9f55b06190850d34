from collections.abc import AsyncIterator

import pytest
from flyteidl.core import tasks_pb2

from flytetemporal.plugins.protocol import PhaseInfo, Plugin, Rejected, TaskContext, succeeded
from flytetemporal.plugins.registry import ContainerRule, PodRule, Registry


class Named(Plugin):
    """A plugin that has a name, and remembers that it was opened and closed."""

    def __init__(self, name: str, calls: list[str] | None = None, *, broken: bool = False) -> None:
        self.name, self.calls, self.broken = name, [] if calls is None else calls, broken

    @property
    def identifier(self) -> str:
        return self.name

    async def open(self) -> None:
        self.calls.append(f"open {self.name}")
        if self.broken:
            raise OSError(self.name)

    async def close(self) -> None:
        self.calls.append(f"close {self.name}")

    async def start(self, context: TaskContext) -> bytes:
        return b""

    async def watch(self, context: TaskContext, handle: bytes) -> AsyncIterator[PhaseInfo]:
        yield succeeded()

    async def abort(self, context: TaskContext, handle: bytes) -> None:
        return None


PROCESSES, CONTAINERS, SPARK = Named("container"), Named("container"), Named("spark")
REGISTRY = Registry({"spark": SPARK}, ContainerRule(PROCESSES, CONTAINERS, ["acme/*", "exact:1"]))
RAW = tasks_pb2.Container(data_config={"enabled": True})


@pytest.mark.parametrize("kind", ["python-task", "container", "anything-with-an-image"])
def test_every_type_with_a_container_runs(kind: str) -> None:
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
def test_raw_containers_and_listed_images_run_in_containers(task: tasks_pb2.TaskTemplate, image: str) -> None:
    assert REGISTRY.find(task, image) is CONTAINERS


def test_a_plugin_for_the_type_precedes_those_for_containers() -> None:
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


async def test_every_plugin_is_opened_once_and_closed_in_reverse() -> None:
    calls: list[str] = []
    shared = Named("shared", calls)
    registry = Registry(
        {"a": shared, "b": shared}, ContainerRule(Named("processes", calls), Named("containers", calls))
    )

    async with registry.opened():
        calls.append("work")

    opened = ["open processes", "open containers", "open shared"]
    assert calls == [*opened, "work", "close shared", "close containers", "close processes"]


async def test_a_plugin_that_cannot_open_leaves_none_open() -> None:
    calls: list[str] = []
    registry = Registry(
        {"a": Named("broken", calls, broken=True)}, ContainerRule(Named("processes", calls), Named("containers", calls))
    )

    with pytest.raises(OSError, match="broken"):
        async with registry.opened():
            calls.append("work")

    assert calls[-3:] == ["close broken", "close containers", "close processes"]
    assert "work" not in calls


PODS = Named("pods")
WITH_PODS = Registry(
    {"spark": SPARK}, ContainerRule(PROCESSES, CONTAINERS, ["acme/*"]), PodRule(PODS, ["small:*", "acme/small:*"])
)
POD = tasks_pb2.TaskTemplate(type="python-task", k8s_pod=tasks_pb2.K8sPod())


@pytest.mark.parametrize(
    ("task", "image", "expected"),
    [
        (tasks_pb2.TaskTemplate(type="python-task", container=tasks_pb2.Container()), "some:image", PODS),
        (tasks_pb2.TaskTemplate(type="raw-container", container=RAW), "some:image", PODS),
        (tasks_pb2.TaskTemplate(type="python-task", container=tasks_pb2.Container()), "small:1", PROCESSES),
        (tasks_pb2.TaskTemplate(type="python-task", container=tasks_pb2.Container()), "acme/x:1", CONTAINERS),
        (POD, "acme/x:1", PODS),
        (tasks_pb2.TaskTemplate(type="sidecar"), "", PODS),
        (tasks_pb2.TaskTemplate(type="spark", container=tasks_pb2.Container()), "some:image", SPARK),
    ],
)
def test_a_worker_for_pods_runs_all_but_certain_images_as_pods(
    task: tasks_pb2.TaskTemplate, image: str, expected: Plugin
) -> None:
    assert WITH_PODS.find(task, image) is expected


def test_a_worker_for_processes_says_what_a_task_with_a_pod_needs() -> None:
    with pytest.raises(Rejected, match="only a worker with --plugin pods runs"):
        REGISTRY.find(POD, "")


async def test_the_plugin_for_pods_is_opened_and_closed_too() -> None:
    calls: list[str] = []
    registry = Registry({}, ContainerRule(Named("a", calls), Named("b", calls)), PodRule(Named("pods", calls)))

    async with registry.opened():
        calls.append("run")

    assert calls == ["open a", "open b", "open pods", "run", "close pods", "close b", "close a"]
