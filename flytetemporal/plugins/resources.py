"""Resources of a task container: apply overrides, read quantities. Pure."""

import re
from collections.abc import Iterable
from decimal import Decimal

from flyteidl.core import tasks_pb2

from flytetemporal.errors import InvalidRequest

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?")
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("", "k", "M", "G", "T", "P", "E"))},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}

Entry = tasks_pb2.Resources.ResourceEntry


def merged(own: tasks_pb2.Resources, override: tasks_pb2.Resources) -> tasks_pb2.Resources:
    """Return the resources of a container after the node's overrides, which win name by name."""
    return tasks_pb2.Resources(
        requests=_merged(own.requests, override.requests), limits=_merged(own.limits, override.limits)
    )


def memory_bytes(resources: tasks_pb2.Resources) -> int:
    """Return how much memory the task may use: its limit, else its request, else 0.

    Raises:
        InvalidRequest: the value is no Kubernetes quantity.
    """
    return int(_most(resources, tasks_pb2.Resources.MEMORY))


def cpus(resources: tasks_pb2.Resources) -> Decimal:
    """Return how many CPUs the task may use: its limit, else its request, else 0.

    Raises:
        InvalidRequest: the value is no Kubernetes quantity.
    """
    return _most(resources, tasks_pb2.Resources.CPU)


def quantity(text: str) -> Decimal:
    """Return the value of a Kubernetes quantity such as ``500Mi``, ``1.5G``, ``100m`` or ``2e3``.

    Raises:
        InvalidRequest: the text is not a quantity.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise InvalidRequest(
            f"[{text}] is not a quantity; write a number with an optional suffix such as m, k, Mi or Gi"
        )
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix in _SUFFIXES:
        return number * _SUFFIXES[suffix]
    return number.scaleb(int(suffix[1:]))


def _most(resources: tasks_pb2.Resources, name: tasks_pb2.Resources.ResourceName) -> Decimal:
    for entries in (resources.limits, resources.requests):
        for entry in entries:
            if entry.name == name:
                return quantity(entry.value)
    return Decimal(0)


def _merged(own: Iterable[Entry], override: Iterable[Entry]) -> list[Entry]:
    values = {entry.name: entry for entry in own}
    values.update({entry.name: entry for entry in override})
    return [values[name] for name in sorted(values)]
