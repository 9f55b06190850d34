"""Where pods run: tolerations, node selectors, affinity, accelerators. Pure.

The rules mirror flyteplugins' pluginmachinery/flytek8s/pod_helper.go.
"""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any

from flyteidl.core import tasks_pb2

from flytetemporal.config.pods import PodSettings
from flytetemporal.plugins.pod_targets import Json

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def apply(spec: Json, settings: PodSettings, service_account: str, *, interruptible: bool) -> None:
    """Fill in the settings of a pod that the task leaves open, and those of interruptible attempts."""
    spec["restartPolicy"] = spec.get("restartPolicy") or "Never"
    _apply_tolerations(spec, settings, interruptible=interruptible)
    selector = {**settings.default_node_selector, **(spec.get("nodeSelector") or {})}
    if interruptible:
        selector.update(settings.interruptible_node_selector)
    secrets = [{"name": name} for name in settings.image_pull_secrets]
    defaults: Mapping[str, Any] = {
        "serviceAccountName": service_account,
        "schedulerName": settings.scheduler_name,
        "affinity": settings.default_affinity,
        "securityContext": settings.default_pod_security_context,
        "dnsConfig": settings.default_pod_dns_config,
    }
    spec.update({name: deepcopy(value) for name, value in defaults.items() if value and not spec.get(name)})
    if selector:
        spec["nodeSelector"] = selector
    if secrets:
        spec["imagePullSecrets"] = [*secrets, *(spec.get("imagePullSecrets") or ())]
    if settings.enable_host_networking_pod is not None:
        spec["hostNetwork"] = settings.enable_host_networking_pod
    requirement = (
        settings.interruptible_node_selector_requirement
        if interruptible
        else settings.non_interruptible_node_selector_requirement
    )
    require(spec, requirement)


def require(spec: Json, *requirements: Mapping[str, Any]) -> None:
    """Add requirements to every term of the required node affinity, or make a term."""
    wanted = [dict(requirement) for requirement in requirements if requirement]
    if not wanted:
        return
    node = spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    terms = node.setdefault(_REQUIRED, {}).setdefault("nodeSelectorTerms", [])
    if not terms:
        terms.append({})
    for term in terms:
        term["matchExpressions"] = [*(term.get("matchExpressions") or ()), *wanted]


def apply_accelerator(spec: Json, accelerator: tasks_pb2.GPUAccelerator, settings: PodSettings) -> None:
    """Restrict a pod with a limit for GPUs to nodes that have the accelerator."""
    limits = (one.get("resources", {}).get("limits") or {} for one in spec["containers"])
    if not any(settings.gpu_resource_name in names for names in limits):
        return
    requirements, tolerations = [], []
    if accelerator.device:
        requirements.append(_is_in(settings.gpu_device_node_label, accelerator.device))
        tolerations.append(_tolerates(settings.gpu_device_node_label, accelerator.device))
    match accelerator.WhichOneof("partition_size_value"):
        case "partition_size":
            requirements.append(_is_in(settings.gpu_partition_size_node_label, accelerator.partition_size))
            tolerations.append(_tolerates(settings.gpu_partition_size_node_label, accelerator.partition_size))
        case "unpartitioned" if accelerator.unpartitioned:
            absent = {"key": settings.gpu_partition_size_node_label, "operator": "DoesNotExist"}
            requirements.append(settings.gpu_unpartitioned_node_selector_requirement or absent)
            tolerations.append(settings.gpu_unpartitioned_toleration)
        case _:
            pass
    require(spec, *requirements)
    added = [toleration for toleration in tolerations if toleration]
    if added:
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *added]


def _apply_tolerations(spec: Json, settings: PodSettings, *, interruptible: bool) -> None:
    tolerations = [
        *_for_resources(spec, settings.resource_tolerations),
        *(settings.interruptible_tolerations if interruptible else ()),
        *settings.default_tolerations,
        *(spec.get("tolerations") or ()),
    ]
    if tolerations:
        spec["tolerations"] = tolerations


def _for_resources(spec: Json, tolerations: Mapping[str, Iterable[Json]]) -> Iterator[Json]:
    named = {name for container in spec["containers"] for name in _resources_of(container)}
    for name in sorted(named & tolerations.keys()):
        yield from tolerations[name]


def _resources_of(container: Json) -> Iterator[str]:
    resources = container.get("resources") or {}
    yield from resources.get("requests") or ()
    yield from resources.get("limits") or ()


def _is_in(key: str, value: str) -> Json:
    return {"key": key, "operator": "In", "values": [value]}


def _tolerates(key: str, value: str) -> Json:
    return {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"}
