"""Checks of the resource requests and limits of tasks.

Mirrors flyteadmin's pkg/manager/impl/validation/task_validator.go, which compares whole units, rounded up.
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from flyteidl.core import tasks_pb2
from google.protobuf import json_format

from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import quantities

Kind = tasks_pb2.Resources
Amounts = dict[int, Decimal]
_CHECKED = (Kind.CPU, Kind.MEMORY, Kind.GPU, Kind.EPHEMERAL_STORAGE)
_POD_NAMES = {
    "cpu": Kind.CPU,
    "memory": Kind.MEMORY,
    "nvidia.com/gpu": Kind.GPU,
    "ephemeral-storage": Kind.EPHEMERAL_STORAGE,
}
# As operators name them.
NAMES = {
    "cpu": Kind.CPU,
    "memory": Kind.MEMORY,
    "gpu": Kind.GPU,
    "ephemeral-storage": Kind.EPHEMERAL_STORAGE,
}
_CONVENTIONS = "https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/"


def platform_limits(settings: AdminSettings) -> dict[int, str]:
    """Return the configured limits by kind of resource; a kind without a limit is left out."""
    limits = {
        Kind.CPU: settings.task_cpu_limit,
        Kind.MEMORY: settings.task_memory_limit,
        Kind.GPU: settings.task_gpu_limit,
    }
    return {kind: limit for kind, limit in limits.items() if limit}


def memory_limit(settings: AdminSettings) -> int:
    """Return how many bytes of memory a task may ask for; 0: the platform sets no limit."""
    return int(quantities.parse(settings.task_memory_limit)) if settings.task_memory_limit else 0


def check_container(name: str, resources: tasks_pb2.Resources, limits: Mapping[int, str]) -> None:
    """Refuse malformed quantities, and those over the task's own or the platform's limit. Raises ``InvalidRequest``."""
    requests = _amounts(name, "request", ((e.name, e.value) for e in resources.requests))
    own_limits = _amounts(name, "limit", ((e.name, e.value) for e in resources.limits))
    _check(requests, own_limits, limits)


def check_pod(name: str, pod: tasks_pb2.K8sPod, limits: Mapping[int, str]) -> None:
    """Check every container of a pod like ``check_container``. Raises ``InvalidRequest``."""
    try:
        spec = json_format.MessageToDict(pod.pod_spec)
    except (ValueError, json_format.SerializeToJsonError) as e:
        raise InvalidRequest("invalid value for pod_spec: a number is NaN or infinite") from e
    containers = spec.get("containers")
    if containers is not None and not isinstance(containers, list):
        raise InvalidRequest("invalid value for pod_spec: containers must be a list")
    for container in containers or ():
        resources = _object(_object(container, "a container").get("resources"), "resources")
        requests = _amounts(name, "request", _of_pod(resources.get("requests"), "resources.requests"))
        own_limits = _amounts(name, "limit", _of_pod(resources.get("limits"), "resources.limits"))
        _check(requests, own_limits, limits)


def _of_pod(named: object, field: str) -> Iterable[tuple[int, str]]:
    return ((_POD_NAMES[name], str(value)) for name, value in _object(named, field).items() if name in _POD_NAMES)


def _object(value: object, field: str) -> Mapping[str, Any]:
    """Return a part of a pod spec that must be an object; empty if it is left out."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequest(f"invalid value for pod_spec: {field} must be an object")
    return value


def _amounts(task: str, role: str, entries: Iterable[tuple[int, str]]) -> Amounts:
    amounts: Amounts = {}
    for kind, value in entries:
        if kind not in _CHECKED:
            continue
        if kind in amounts:
            raise InvalidRequest(f"can't specify {_text(kind)} {role} for task [{task}] multiple times")
        amounts[kind] = _parsed(kind, role, value)
    return amounts


def check_quantity(kind: int, role: str, value: str) -> None:
    """Refuse a text that is not a quantity of this kind. Raises ``InvalidRequest``."""
    _parsed(kind, role, value)


def _parsed(kind: int, role: str, value: str) -> Decimal:
    try:
        amount = quantities.parse(value)
    except ValueError as e:
        raise InvalidRequest(
            f"Parsing of {_text(kind)} {role} failed for value {value}: it is not a Kubernetes quantity; "
            f"see {_CONVENTIONS}"
        ) from e
    if kind == Kind.GPU and amount != amount.to_integral_value():
        raise InvalidRequest(f"{_text(kind)} {role} [{value}] must be a whole number")
    return amount


def _check(requests: Amounts, own_limits: Amounts, platform: Mapping[int, str]) -> None:
    for kind, request in requests.items():
        limit = own_limits.get(kind)
        if limit is not None and _units(request) > _units(limit):
            raise InvalidRequest(
                f"Requested {_text(kind)} default [{request}] is greater than the limit [{limit}]. "
                "Please fix your configuration"
            )
        if kind == Kind.GPU and limit is not None and request != limit:
            raise InvalidRequest(f"For extended resource 'gpu' the default value must equal the limit value: {request}")
        for name, amount in (("default", request), ("limit", limit)):
            if amount is not None and kind in platform and _units(amount) > _units(quantities.parse(platform[kind])):
                raise InvalidRequest(
                    f"Requested {_text(kind)} {name} [{amount}] is greater than current limit set in the platform "
                    f"configuration [{platform[kind]}]. Please contact Flyte Admins to change these limits or consult "
                    "the configuration"
                )


def _units(amount: Decimal) -> int:
    return math.ceil(amount)


def _text(kind: int) -> str:
    return Kind.ResourceName.Name(kind)


def is_quantity(text: str) -> bool:
    """Whether ``text`` is a quantity. Attributes that are not count as not set."""
    try:
        quantities.parse(text)
    except ValueError:
        return False
    return True
