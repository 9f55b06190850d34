"""Merge the resources of a task that several levels set."""

from collections.abc import Iterable

from flyteidl.core import tasks_pb2

Entry = tasks_pb2.Resources.ResourceEntry


def merged(own: tasks_pb2.Resources, override: tasks_pb2.Resources) -> tasks_pb2.Resources:
    """Return resources after an override, which wins name by name."""
    return tasks_pb2.Resources(
        requests=_merged(own.requests, override.requests), limits=_merged(own.limits, override.limits)
    )


def _merged(own: Iterable[Entry], override: Iterable[Entry]) -> list[Entry]:
    values = {entry.name: entry for entry in own}
    values.update({entry.name: entry for entry in override})
    return [values[name] for name in sorted(values)]
