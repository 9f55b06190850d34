"""The security matrix: which role may call which method and route, found by asking the guard with real requests.

``python -m tests.unit.auth.matrix`` writes docs/security-matrix.md.
"""

import asyncio
import itertools
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from google.protobuf.message import Message

from flytetemporal.auth.audit import Entry
from flytetemporal.auth.authentication import Chain, Presented
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.roles import Binding, Role, Scope, Subject, SubjectKind
from flytetemporal.auth.routes import ROUTES
from flytetemporal.auth.rules import RULES
from flytetemporal.cli.wiring import control_plane
from flytetemporal.errors import PermissionDenied, Unauthenticated
from flytetemporal.rpc.methods import Method

DOCUMENT = Path(__file__).parents[3] / "docs" / "security-matrix.md"
OWN = Scope("own", "development")
TARGETS = {"own": OWN, "other domain": Scope("own", "production"), "foreign": Scope("foreign", "development")}
BOUND = {"domain": OWN, "project": Scope("own"), "platform": Scope()}
ADA = Identity("ada", "test", Kind.USER)
_DEPTH = 4
# Only the engine may claim a parent, so a request that claims one is another cell.
_SKIPPED = ("parent_node_execution", "sub_workflows", "template", "closure")

# Which targets a binding to a domain, to a project and to the platform admits, for each kind of cell.
ADMITTED: Mapping[str, tuple[set[str], set[str], set[str]]] = {
    "-": (set(), set(), set()),
    "domain": ({"own"}, {"own", "other domain"}, set(TARGETS)),
    "any domain": ({"own", "other domain"}, {"own", "other domain"}, set(TARGETS)),
    "project": (set(), {"own", "other domain"}, set(TARGETS)),
    "platform": (set(), set(), set(TARGETS)),
    "signed in": (set(TARGETS), set(TARGETS), set(TARGETS)),
}

_HEAD = """# Who may call what

`python -m tests.unit.auth.matrix` writes this file, and a test fails if it is not up to date. Each cell says where a
role must be bound at least to call a method about a project and domain. The guard is asked with a real request: for a
binding to the domain, the project and the platform, and about the own domain, another one and a foreign project.

| cell | meaning |
|---|---|
| `domain` | in the domain of the project that the request is about |
| `any domain` | in any domain of the project |
| `project` | in the whole project |
| `platform` | on the platform |
| `signed in` | nowhere: everybody who has signed in may call it |
| `everybody` | nowhere, and without sign-in |
| `-` | the role does not allow it |
"""


class _Ada:
    async def authenticate(self, presented: Presented) -> Identity | None:
        return ADA if presented.authorization else None


class _Silent:
    async def record(self, entry: Entry) -> None:
        pass

    def refused(self, entry: Entry) -> None:
        pass


def methods() -> list[Method]:
    """Return all methods that admin serves; their handlers cannot be called."""
    return control_plane.methods(cast(Any, None), cast(Any, None), cast(Any, None))


def request_about(method: Method, target: Scope) -> Message:
    """Return a request whose every name of a project and a domain is that of the target."""
    request: Any = method.request()
    _fill(request, target, _DEPTH)
    if method.name in ("UpdateProject", "GetProject"):
        request.id = target.project
    elif method.name == "GetData":
        request.flyte_url = f"flyte://v1/{target.project}/{target.domain}/f1/n0/o"
    return cast(Message, request)


def _fill(message: Any, target: Scope, depth: int) -> None:
    for field in message.DESCRIPTOR.fields:
        if field.name in ("project", "domain") and field.cpp_type == field.CPPTYPE_STRING and not field.is_repeated:
            setattr(message, field.name, getattr(target, field.name))
        elif depth and field.name not in _SKIPPED and _can_name_projects(field.message_type):
            below = getattr(message, field.name)
            if field.is_repeated:
                below = below.add()
            else:
                below.SetInParent()
            _fill(below, target, depth - 1)


def _can_name_projects(descriptor: Any) -> bool:
    if descriptor is None or descriptor.GetOptions().map_entry:
        return False
    return not str(descriptor.full_name).startswith("google.")


def guard(role: Role | None, bound: Scope) -> SignInGuard:
    """Return a guard that knows one user, who has a role."""
    bindings = [Binding(Subject(SubjectKind.USER, "ada"), role, bound)] if role else []
    return SignInGuard(Chain([_Ada()]), Policies(bindings), _Silent())


async def admitted(context: Any) -> bool:
    """Whether a guard lets a call through."""
    try:
        async with context:
            return True
    except (PermissionDenied, Unauthenticated):
        return False


async def admits(role: Role | None, bound: Scope, name: str, target: Scope, presented: Presented) -> bool:
    """Whether a method or route about ``target`` is served to a user whose role is bound at ``bound``."""
    asked = guard(role, bound)
    if name in ROUTES:
        return await admitted(
            asked.admitting_route(name, {"project": target.project, "domain": target.domain}, presented)
        )
    method = METHODS[name]
    return await admitted(asked.admitting(method, request_about(method, target), presented))


async def cell(role: Role | None, name: str) -> str:
    """Return the kind of cell that the guard's answers have; the answers that fit no kind if there is none."""
    if await admits(None, Scope(), name, OWN, Presented()):
        return "everybody"
    found = []
    for bound in BOUND.values():
        answers = {what: await admits(role, bound, name, target, Presented("x")) for what, target in TARGETS.items()}
        found.append({what for what, answer in answers.items() if answer})
    return next((kind for kind, expected in ADMITTED.items() if tuple(found) == expected), str(found))


async def rows() -> list[tuple[str, list[str], str]]:
    """Return every method and route, its cells by role, and its note."""
    found = []
    for name in itertools.chain(RULES, ROUTES):
        note = ROUTES[name].note if name in ROUTES else RULES[name].note
        found.append((name, [await cell(role, name) for role in Role], note))
    return found


def document(found: list[tuple[str, list[str], str]]) -> str:
    """Return the text of docs/security-matrix.md."""
    return "\n".join([_HEAD, *_tables(found)]) + "\n"


def _tables(found: list[tuple[str, list[str], str]]) -> Iterator[str]:
    for service, group in itertools.groupby(found, lambda row: row[0].split("/")[1] if row[0] in RULES else "Routes"):
        listed = list(group)
        yield f"## {service}\n"
        yield f"| {'route' if service == 'Routes' else 'method'} | {' | '.join(role.value for role in Role)} | note |"
        yield "|---" * (len(Role) + 2) + "|"
        for name, cells, note in listed:
            shown = f"`{name}`" if service == "Routes" else name.rpartition("/")[2]
            yield f"| {shown} | {' | '.join(cells)} | {note} |"
        yield ""


METHODS = {method.path: method for method in methods()}

if __name__ == "__main__":
    Path(*sys.argv[1:2] or (DOCUMENT,)).write_text(document(asyncio.run(rows())))
