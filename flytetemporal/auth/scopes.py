"""Read from a request which projects and domains it is about.

A field that is not set has the scope of its empty names: a request without a project is about the whole platform, one
without a domain about the whole project. Fewer callers have rights there, so leaving a field out never helps.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message

from flytetemporal.auth.roles import Scope

Scopes = Callable[[Any], Iterable[Scope]]

_FLYTE_URL = re.compile(r"flyte://v1/([\w-]+)/([\w-]+)/")


def platform(_: Message) -> Iterable[Scope]:
    """Return the scope of what belongs to no project."""
    return [Scope()]


def at(path: str = "") -> Scopes:
    """Return the reader of a field with a project and a domain; without a path, of the request itself."""
    parts = tuple(filter(None, path.split(".")))

    def read(request: Any) -> Iterable[Scope]:
        found = request
        for part in parts:
            found = getattr(found, part)
        return [Scope(found.project, found.domain)]

    return read


def at_if_set(path: str) -> Scopes:
    """Return the reader of a field that need not be set."""
    parts, read = path.split("."), at(path)

    def read_if_set(request: Any) -> Iterable[Scope]:
        found = request
        for part in parts:
            if not found.HasField(part):
                return []
            found = getattr(found, part)
        return read(request)

    return read_if_set


def each(field: str, path: str) -> Scopes:
    """Return the reader of a field in every message of a repeated one."""
    read = at(path)
    return lambda request: {scope for message in getattr(request, field) for scope in read(message)} or {Scope()}


def project(field: str) -> Scopes:
    """Return the reader of a field with the name of a whole project."""
    return lambda request: [Scope(getattr(request, field))]


def attributes_project(request: Any) -> Iterable[Scope]:
    """Return the project of a change of its attributes."""
    return [Scope(request.attributes.project)]


def part_of_project(field: str) -> Scopes:
    """Return the reader of a field with the name of a project, of which seeing one domain is enough."""
    return lambda request: [Scope(getattr(request, field), any_domain=True)]


def parent(request: Any) -> Iterable[Scope]:
    """Return where a launch claims to have its parent, from which it inherits the principal."""
    spec = request.spec if "spec" in request.DESCRIPTOR.fields_by_name else request
    if not spec.metadata.HasField("parent_node_execution"):
        return []
    found = spec.metadata.parent_node_execution.execution_id
    return [Scope(found.project, found.domain)]


def flyte_url(request: Any) -> Iterable[Scope]:
    """Return where the execution of a ``flyte://`` address is; nowhere if it is malformed, and so names nothing."""
    found = _FLYTE_URL.match(request.flyte_url)
    return [Scope(found[1], found[2])] if found else []


def events(request: Any) -> Iterable[Scope]:
    """Return where the executions of events are."""
    found = set()
    for event in request.events:
        kind = event.WhichOneof("event")
        if kind == "workflow":
            of = event.workflow.execution_id
        elif kind == "node":
            of = event.node.id.execution_id
        else:
            of = event.task.parent_node_execution_id.execution_id
        found.add(Scope(of.project, of.domain))
    return found or [Scope()]
