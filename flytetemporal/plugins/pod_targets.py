"""The pod that a task describes itself: its spec, its labels, its primary container. Pure.

Specs are plain JSON objects, as Kubernetes' API takes them. The rules mirror flyteplugins' tasks/plugins/k8s/pod.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flyteidl.core import tasks_pb2
from google.protobuf import json_format, struct_pb2

from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected

Json = dict[str, Any]
SIDECAR = "sidecar"
PRIMARY = "primary_container_name"
_KINDS = {
    "cpu": tasks_pb2.Resources.CPU,
    "memory": tasks_pb2.Resources.MEMORY,
    "ephemeral-storage": tasks_pb2.Resources.EPHEMERAL_STORAGE,
    "gpu": tasks_pb2.Resources.GPU,
    "nvidia.com/gpu": tasks_pb2.Resources.GPU,
}


@dataclass(frozen=True, slots=True)
class PodTarget:
    """A pod spec with the name of its primary container."""

    spec: Json
    primary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    def containers(self) -> Iterator[Json]:
        """Yield init containers, then containers."""
        yield from self.spec.get("initContainers") or ()
        yield from self.spec.get("containers") or ()


def has_pod(template: tasks_pb2.TaskTemplate) -> bool:
    """Whether the task describes a pod instead of a container."""
    return template.HasField("k8s_pod") or (template.type == SIDECAR and template.task_type_version < 2)


def of(template: tasks_pb2.TaskTemplate) -> PodTarget:
    """Return the pod of a task for which ``has_pod`` holds.

    Raises:
        Rejected: there is no pod spec, or its primary container is not named or does not exist.
    """
    name, primary = template.id.name, template.config.get(PRIMARY, "")
    labels, annotations = _metadata(template.k8s_pod.metadata)
    if template.type == SIDECAR and template.task_type_version == 0:
        custom = {key.lower(): value for key, value in as_json(template.custom).items()}
        labels, annotations = custom.get("labels") or {}, custom.get("annotations") or {}
        spec, primary = custom.get("podspec"), custom.get("primarycontainername", "")
    elif template.type == SIDECAR and template.task_type_version == 1:
        spec = as_json(template.custom)
    else:
        spec = as_json(template.k8s_pod.pod_spec) if template.k8s_pod.HasField("pod_spec") else None
        primary = primary or template.k8s_pod.primary_container_name
    return _checked(f"task {name}", PodTarget(spec or {}, primary, labels, annotations))


def overriding(pod: tasks_pb2.K8sPod, task: str) -> PodTarget:
    """Return the pod by which a node replaces that of its task.

    Raises:
        Rejected: see ``of``.
    """
    labels, annotations = _metadata(pod.metadata)
    target = PodTarget(as_json(pod.pod_spec), pod.primary_container_name, labels, annotations)
    return _checked(f"the pod template of a node of task {task}", target)


def primary_resources(target: PodTarget) -> tasks_pb2.Resources:
    """Return the resources of the primary container, as far as Flyte has names for them."""
    found: Json = next(one for one in target.spec["containers"] if one.get("name") == target.primary)
    resources = found.get("resources") or {}
    return tasks_pb2.Resources(requests=_entries(resources.get("requests")), limits=_entries(resources.get("limits")))


def as_json(struct: struct_pb2.Struct) -> Json:
    """Return a struct as JSON in which whole numbers are integers, which Kubernetes insists on."""
    found = _with_integers(json_format.MessageToDict(struct))
    return found if isinstance(found, dict) else {}


def _with_integers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_integers(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_with_integers(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _metadata(metadata: tasks_pb2.K8sObjectMetadata) -> tuple[Mapping[str, str], Mapping[str, str]]:
    return dict(metadata.labels), dict(metadata.annotations)


def _entries(named: Mapping[str, Any] | None) -> list[tasks_pb2.Resources.ResourceEntry]:
    return [
        tasks_pb2.Resources.ResourceEntry(name=_KINDS[name], value=str(value))
        for name, value in (named or {}).items()
        if name in _KINDS
    ]


def _checked(what: str, target: PodTarget) -> PodTarget:
    containers = target.spec.get("containers")
    if not isinstance(containers, list) or not all(isinstance(one, dict) for one in target.containers()):
        raise Rejected(BAD_SPECIFICATION, f"{what} has no pod spec with a list of containers")
    if not target.primary:
        raise Rejected(BAD_SPECIFICATION, f"{what} names no primary container ({PRIMARY})")
    names = [one.get("name") for one in containers]
    if target.primary not in names:
        text = f"{what} names the primary container [{target.primary}], but its pod has only {names}"
        raise Rejected(BAD_SPECIFICATION, text)
    return target
