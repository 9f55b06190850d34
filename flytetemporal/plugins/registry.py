"""Task type to plugin."""

import fnmatch
from collections.abc import Mapping, Sequence

from flyteidl.core import tasks_pb2

from flytetemporal.plugins.protocol import Plugin, Rejected

RAW_CONTAINER = "raw-container"
UNSUPPORTED = "UnsupportedTaskType"
_AWS_BATCH = "aws-batch"


class Registry:
    """Plugins by task type, and those which run whatever carries a container.

    ``processes`` runs its command on this machine, ``containers`` in its image. Raw containers always run in theirs,
    since a process has no folders mounted; others do when ``images`` has a pattern that fits (docs/decisions/0010).
    """

    def __init__(
        self,
        processes: Plugin,
        containers: Plugin,
        images: Sequence[str] = (),
        by_type: Mapping[str, Plugin] | None = None,
    ) -> None:
        self._processes = processes
        self._containers = containers
        self._images = tuple(images)
        self._by_type = dict(by_type or {})

    def find(self, template: tasks_pb2.TaskTemplate, image: str) -> Plugin:
        """Return the plugin that runs tasks like this one; a plugin for the type comes before the containers'.

        Raises:
            Rejected: nobody runs tasks of this type.
        """
        plugin = self._by_type.get(template.type)
        if plugin is not None:
            return plugin
        if template.type == _AWS_BATCH or not template.HasField("container"):
            raise Rejected(UNSUPPORTED, _unsupported(template))
        if template.type == RAW_CONTAINER or template.container.data_config.enabled:
            return self._containers
        wanted = any(fnmatch.fnmatchcase(image, pattern) for pattern in self._images)
        return self._containers if wanted else self._processes


def _unsupported(template: tasks_pb2.TaskTemplate) -> str:
    name = f"task {template.id.name} has type [{template.type}]"
    if template.type == _AWS_BATCH:
        return f"{name}, whose jobs AWS Batch would run: this cluster does not submit them; use a map task instead"
    carried = template.WhichOneof("target") or "no target"
    text = "no plugin of this cluster runs it, and without a container it cannot run as a process"
    return f"{name} and carries {carried}: {text}"
