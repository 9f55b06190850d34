"""Checks of the settings that every launch merges: an unsound one would fail the executions of others.

The same checks hold for launches, for launch plans and for matchable attributes.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from flyteidl.admin import matchable_resource_pb2
from flyteidl.core import literals_pb2, tasks_pb2
from google.protobuf import json_format

from flytetemporal.admin.base import kubernetes_labels
from flytetemporal.admin.settings import task_resources
from flytetemporal.errors import InvalidRequest

Config = matchable_resource_pb2.WorkflowExecutionConfig
_URI = re.compile(r"([a-z][a-z0-9+.-]*://|/)\S+", re.IGNORECASE)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def check(config: Config) -> None:
    """Refuse settings that no execution could run with. Raises ``InvalidRequest``."""
    for one in _CHECKS.values():
        one(config)


def sound(config: Config, level: str) -> Config:
    """Return the settings of a level without those that ``check`` refuses; each of these is logged.

    For attributes that were stored before they were checked: they must not stop every launch below their level.
    """
    kept = Config()
    kept.CopyFrom(config)
    for field, one in _CHECKS.items():
        try:
            one(kept)
        except InvalidRequest as e:
            _log.warning("setting_ignored", level=level, setting=field, error=e.message)
            kept.ClearField(field)
    return kept


def check_parallelism(value: int) -> None:
    """Refuse a negative ``max_parallelism``; 0 means that it is not set. Raises ``InvalidRequest``."""
    if value < 0:
        raise InvalidRequest(f"invalid value for max_parallelism: {value} is negative")


def check_raw_output_prefix(prefix: str) -> None:
    """Refuse a prefix that is not a URI: every task of the execution would fail on it. Raises ``InvalidRequest``."""
    if prefix and not _URI.fullmatch(prefix):
        raise InvalidRequest(f"invalid value for output_location_prefix: [{prefix}] is not a URI")


def check_environment(variables: Iterable[literals_pb2.KeyValuePair], field: str = "envs") -> None:
    """Refuse variables that the environment of a process cannot hold. Raises ``InvalidRequest``."""
    for variable in variables:
        check_variable(variable.key, variable.value, field)


def check_variable(name: str, value: str, field: str) -> None:
    """Refuse one variable that the environment of a process cannot hold. Raises ``InvalidRequest``."""
    if not name or "=" in name or "\0" in name:
        raise InvalidRequest(
            f"invalid value for {field}: {name!r} cannot name an environment variable; names are not empty and contain "
            "neither = nor NUL"
        )
    if "\0" in value:
        raise InvalidRequest(f"invalid value for {field}: the value of {name} contains a NUL character")


def check_pod_environment(pod: tasks_pb2.K8sPod) -> None:
    """Refuse variables of a pod's containers as ``check_environment`` does. Raises ``InvalidRequest``."""
    for container in _list(json_format.MessageToDict(pod.pod_spec).get("containers")):
        for variable in _list(container.get("env") if isinstance(container, dict) else None):
            if isinstance(variable, dict):
                check_variable(str(variable.get("name", "")), str(variable.get("value", "")), "pod_spec")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def check_resources(given: matchable_resource_pb2.TaskResourceAttributes) -> None:
    """Refuse amounts that are not quantities; an empty one is not set. Raises ``InvalidRequest``."""
    kinds: dict[str, int] = {
        "cpu": tasks_pb2.Resources.CPU,
        "memory": tasks_pb2.Resources.MEMORY,
        "gpu": tasks_pb2.Resources.GPU,
        "ephemeral_storage": tasks_pb2.Resources.EPHEMERAL_STORAGE,
        "storage": tasks_pb2.Resources.STORAGE,
    }
    for role, amounts in (("default", given.defaults), ("limit", given.limits)):
        for name, kind in kinds.items():
            if getattr(amounts, name):
                task_resources.check_quantity(kind, role, getattr(amounts, name))


_CHECKS: Mapping[str, Callable[[Config], None]] = {
    "max_parallelism": lambda config: check_parallelism(config.max_parallelism),
    "labels": lambda config: kubernetes_labels.check(config.labels.values),
    "raw_output_data_config": lambda config: check_raw_output_prefix(
        config.raw_output_data_config.output_location_prefix
    ),
    "envs": lambda config: check_environment(config.envs.values),
}
