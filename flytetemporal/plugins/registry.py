"""Choose the plugin that runs a task."""

import contextlib
import fnmatch
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from flyteidl.core import tasks_pb2

from flytetemporal.plugins import pod_targets
from flytetemporal.plugins.protocol import Plugin, Rejected

RAW_CONTAINER = "raw-container"
UNSUPPORTED = "UnsupportedTaskType"
_AWS_BATCH = "aws-batch"


@dataclass(frozen=True, slots=True)
class ContainerRule:
    """The choice between the two plugins that run a task with a container (docs/decisions/0010).

    Raw containers run in their image, since a process has no folders mounted. Other tasks run their command as a
    process, unless their image matches one of the patterns in ``images``.
    """

    in_process: Plugin
    in_image: Plugin
    images: Sequence[str] = ()

    def choose(self, template: tasks_pb2.TaskTemplate, image: str) -> Plugin:
        """Return the plugin for a task that has a container."""
        if template.type == RAW_CONTAINER or template.container.data_config.enabled:
            return self.in_image
        is_listed = any(fnmatch.fnmatchcase(image, pattern) for pattern in self.images)
        return self.in_image if is_listed else self.in_process


@dataclass(frozen=True, slots=True)
class PodRule:
    """The choice of a worker that runs tasks as pods, except for those with certain images."""

    pods: Plugin
    process_images: Sequence[str] = ()

    def chooses(self, template: tasks_pb2.TaskTemplate, image: str, containers: ContainerRule) -> bool:
        """Whether a task runs as a pod: it describes one, or its image matches no pattern for another plugin."""
        if pod_targets.has_pod(template):
            return True
        patterns = [*self.process_images, *containers.images]
        return not any(fnmatch.fnmatchcase(image, pattern) for pattern in patterns)


class Registry:
    """The plugins of a worker by task type, and the rules for all other tasks that have a container or a pod."""

    def __init__(self, by_type: Mapping[str, Plugin], containers: ContainerRule, pods: PodRule | None = None) -> None:
        self._by_type = dict(by_type)
        self._containers = containers
        self._pods = pods

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open every plugin, and close every plugin at the end, the last one first."""
        # A plugin can be registered for several types; a dict keeps the order and drops the repetitions.
        rules = [self._containers.in_process, self._containers.in_image, *([self._pods.pods] if self._pods else ())]
        plugins = dict.fromkeys([*rules, *self._by_type.values()])
        async with contextlib.AsyncExitStack() as stack:
            for plugin in plugins:
                stack.push_async_callback(plugin.close)
                await plugin.open()
            yield

    def find(self, template: tasks_pb2.TaskTemplate, image: str) -> Plugin:
        """Return the plugin that runs a task; a plugin for its type precedes those for containers.

        Raises:
            Rejected: no plugin runs tasks of this type.
        """
        plugin = self._by_type.get(template.type)
        if plugin is not None:
            return plugin
        runs_pods = self._pods is not None and pod_targets.has_pod(template)
        if template.type == _AWS_BATCH or not (template.HasField("container") or runs_pods):
            raise Rejected(UNSUPPORTED, _unsupported(template))
        if self._pods is not None and self._pods.chooses(template, image, self._containers):
            return self._pods.pods
        return self._containers.choose(template, image)


def _unsupported(template: tasks_pb2.TaskTemplate) -> str:
    name = f"task {template.id.name} has type [{template.type}]"
    if template.type == _AWS_BATCH:
        return f"{name}, which runs on AWS Batch: this cluster does not submit jobs there; use a map task instead"
    if pod_targets.has_pod(template):
        return f"{name} and describes a pod, which only a worker with --plugin pods runs"
    target = template.WhichOneof("target") or "none"
    return (
        f"{name}, which no plugin of this cluster runs, and no container that could run as a process: target {target}"
    )
