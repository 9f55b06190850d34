"""Task type to plugin."""

from collections.abc import Mapping

from flyteidl.core import tasks_pb2

from flytetemporal.plugins.protocol import Plugin, Rejected


class Registry:
    """Plugins by task type, and the one that runs whatever carries a container."""

    def __init__(self, container: Plugin, by_type: Mapping[str, Plugin] | None = None) -> None:
        self._container = container
        self._by_type = dict(by_type or {})

    def find(self, template: tasks_pb2.TaskTemplate) -> Plugin:
        """Return the plugin that runs tasks like this one; a plugin for the type comes before the container's.

        Raises:
            Rejected: nobody runs tasks of this type.
        """
        plugin = self._by_type.get(template.type)
        if plugin is not None:
            return plugin
        if not template.HasField("container"):
            raise Rejected("UnsupportedTaskType", _unsupported(template))
        if template.container.data_config.enabled:
            text = "reads and writes its data through files mounted into a container; this cluster runs plain processes"
            raise Rejected("UnsupportedTaskType", f"task {template.id.name} of type [{template.type}] {text}")
        return self._container


def _unsupported(template: tasks_pb2.TaskTemplate) -> str:
    carried = template.WhichOneof("target") or "no target"
    return (
        f"task {template.id.name} has type [{template.type}] and carries {carried}: "
        "no plugin of this cluster runs it, and without a container it cannot run as a process"
    )
