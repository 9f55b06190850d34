"""The YAML file of roles that is kept in Git: a list ``bindings`` of maps with subject, role, project and domain."""

from typing import Any

import yaml

from flytetemporal.auth.roles import Binding, Scope, Subject, role
from flytetemporal.errors import InvalidRequest

MAX_BYTES = 4 * 1024 * 1024
_FIELDS = {"subject", "role", "project", "domain"}


def parse(text: str) -> list[Binding]:
    """Return the bindings of a file.

    Raises:
        InvalidRequest: the file has another form; the text says which binding is wrong.
    """
    if len(text) > MAX_BYTES:
        raise InvalidRequest(f"the file has more than {MAX_BYTES} characters")
    try:
        content = yaml.load(text, Loader=_loader())  # noqa: S506  a safe loader
    except (yaml.YAMLError, RecursionError, ValueError) as e:
        raise InvalidRequest(f"the file is not YAML: {str(e).splitlines()[0]}") from e
    listed = content.get("bindings") if isinstance(content, dict) else None
    if not isinstance(listed, list) or set(content) != {"bindings"}:
        raise InvalidRequest("the file has no list `bindings`, or something else besides it")
    return [_binding(number, found) for number, found in enumerate(listed, start=1)]


def _loader() -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _binding(number: int, found: Any) -> Binding:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidRequest(f"binding {number} is no map of texts")
    if unknown := sorted(str(name) for name in set(found) - _FIELDS):
        raise InvalidRequest(f"binding {number} has unknown fields: {', '.join(unknown)}")
    try:
        subject, named = Subject.parse(found.get("subject", "")), role(found.get("role", ""))
    except InvalidRequest as e:
        raise InvalidRequest(f"binding {number}: {e.message}") from e
    return Binding(subject, named, Scope(found.get("project", ""), found.get("domain", "")))
