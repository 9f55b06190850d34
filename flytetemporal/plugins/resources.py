"""Resources of a task container: apply overrides, read quantities, raise the memory. Pure."""

import math
from collections.abc import Iterable
from decimal import Decimal

from flyteidl.core import tasks_pb2

from flytetemporal.contracts import memory_rules
from flytetemporal.contracts import resources as levels
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import quantities

Entry = tasks_pb2.Resources.ResourceEntry
merged = levels.merged


def with_memory(resources: tasks_pb2.Resources, size: int) -> tasks_pb2.Resources:
    """Return the resources with ``size`` bytes of memory as request and limit."""
    memory = Entry(name=tasks_pb2.Resources.MEMORY, value=quantities.binary(size))
    return merged(resources, tasks_pb2.Resources(requests=[memory], limits=[memory]))


def raised_memory(rules: Iterable[execution_pb2.MemoryRule], task: str, resources: tasks_pb2.Resources) -> int:
    """Return how many bytes of memory the attempt gets that follows one of ``task`` with these resources.

    0 if no rule raises it: none matches, the maximum is reached, or the task has neither limit nor request.
    """
    rule, present = memory_rules.applying(rules, task), memory_bytes(resources)
    if rule is None or present <= 0:
        return 0
    more = min(math.ceil(present * Decimal(rule.factor)), rule.maximum_bytes)
    return more if more > present else 0


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
    try:
        return quantities.parse(text.strip())
    except ValueError as e:
        raise InvalidRequest(
            f"[{text}] is not a quantity; write a number with an optional suffix such as m, k, Mi or Gi"
        ) from e


def _most(resources: tasks_pb2.Resources, name: tasks_pb2.Resources.ResourceName) -> Decimal:
    for entries in (resources.limits, resources.requests):
        for entry in entries:
            if entry.name == name:
                return quantity(entry.value)
    return Decimal(0)
