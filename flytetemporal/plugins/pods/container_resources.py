"""Resources of containers: who wins, what is filled in, what is capped. Pure.

The rules mirror flyteplugins' pluginmachinery/flytek8s/container_helper.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flyteidl.core import tasks_pb2

from flytetemporal.idl import quantities
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected

_GPU = "gpu"
_KINDS = {
    tasks_pb2.Resources.CPU: "cpu",
    tasks_pb2.Resources.MEMORY: "memory",
    tasks_pb2.Resources.GPU: _GPU,
    tasks_pb2.Resources.EPHEMERAL_STORAGE: "ephemeral-storage",
}
_SECTIONS = ("requests", "limits")


@dataclass(frozen=True, slots=True)
class ResourceRules:
    """The defaults of the cluster, and its name for GPUs."""

    cpu: str
    memory: str
    gpu: str

    def of_message(self, resources: tasks_pb2.Resources) -> Json:
        """Return Flyte's resources as those of a container; zero quantities are left out.

        Raises:
            Rejected: a value is no quantity.
        """
        return {
            section: {
                self._name(_KINDS[entry.name]): entry.value
                for entry in getattr(resources, section)
                if entry.name in _KINDS and _amount(entry.value)
            }
            for section in _SECTIONS
        }

    def renamed(self, resources: Mapping[str, Any]) -> Json:
        """Return the resources of a container with the cluster's name for ``gpu``."""
        return {
            section: {self._name(name): value for name, value in entries.items()} if section in _SECTIONS else entries
            for section, entries in resources.items()
            if entries
        }

    def complete(self, *levels: Mapping[str, Any]) -> Json:
        """Return the resources that several levels set, the strongest last, with defaults filled in.

        Raises:
            Rejected: a value is no quantity.
        """
        requests: dict[str, Any] = {}
        limits: dict[str, Any] = {}
        for level in levels:
            renamed = self.renamed(level)
            requests.update(renamed.get("requests") or {})
            limits.update(renamed.get("limits") or {})
        defaults = {"cpu": self.cpu, "memory": self.memory}
        for name in dict.fromkeys([*defaults, *requests, *limits]):
            request = requests.get(name) or limits.get(name) or defaults.get(name, "0")
            limit = limits.get(name) or request
            requests[name], limits[name] = _least(request, limit), limit
        return {"requests": requests, "limits": limits}

    def _name(self, name: str) -> str:
        return self.gpu if name == _GPU else name


def _least(request: str, limit: str) -> str:
    return limit if _amount(request) > _amount(limit) else request


def _amount(text: object) -> Any:
    try:
        return quantities.parse(str(text))
    except ValueError as e:
        raise Rejected(BAD_SPECIFICATION, f"[{text}] is not a quantity of Kubernetes") from e
