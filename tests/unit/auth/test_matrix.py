"""Every method and route has a rule, and the guard decides as docs/security-matrix.md says."""

from collections.abc import Iterator
from typing import Any

import pytest

from flytetemporal.auth import rules
from flytetemporal.auth.authentication import Presented
from flytetemporal.auth.roles import Role, Scope
from flytetemporal.auth.routes import ROUTES
from flytetemporal.auth.rules import RULES, Door
from tests.unit.auth import matrix

PRESENTED = Presented("x")
# Requests without a project, and why their rules need none.
WITHOUT_PROJECT = {
    "lists what the caller may read": {"ListProjects", "ListMatchableAttributes"},
    "checked by the handler": {"CreateDownloadLocation", "GetNotification"},
    "the same for all": {"GetDomains", "UserInfo"},
    "only about the caller, unless the handler allows more": {"CanI", "CreateKey", "ListKeys", "RevokeKey"},
    "before sign-in": {"GetVersion", "GetOAuth2Metadata", "GetPublicClientConfig"},
}


def test_every_method_has_a_rule_and_every_rule_a_method() -> None:
    assert set(RULES) == set(matrix.METHODS)


def test_a_method_without_a_rule_does_not_start() -> None:
    with pytest.raises(TypeError, match=r"no rule says who may call /a\.Service/New"):
        rules.check_complete(["/a.Service/New", *RULES])


@pytest.mark.parametrize("name", [*RULES, *ROUTES])
async def test_the_cells_of_a_row_are_of_a_known_kind(name: str) -> None:
    """A kind says what a binding to a domain, a project and the platform admits, own and foreign, so all are asked."""
    cells = {role: await matrix.cell(role, name) for role in Role}

    assert set(cells.values()) <= {*matrix.ADMITTED, "everybody"}


async def test_the_document_is_fresh() -> None:
    assert matrix.DOCUMENT.read_text() == matrix.document(await matrix.rows()), (
        "run python -m tests.unit.auth.matrix, and look at what has changed"
    )


@pytest.mark.parametrize("name", [path for path, rule in RULES.items() if rule.door is not Door.ANYBODY])
async def test_only_those_who_signed_in_are_served(name: str) -> None:
    method = matrix.METHODS[name]
    for bound in matrix.BOUND.values():
        guard = matrix.guard(Role.PLATFORM_ADMIN, bound)
        assert not await matrix.admitted(guard.admitting(method, matrix.request_about(method, matrix.OWN), Presented()))


@pytest.mark.parametrize("name", RULES)
async def test_a_request_that_names_no_project_needs_the_platform(name: str) -> None:
    """Leaving a field out must not be a way around the rule."""
    known = set().union(*WITHOUT_PROJECT.values())
    method = matrix.METHODS[name]
    if method.name in known or method.name == "GetData":  # An empty address names nothing.
        return
    empty = method.request()
    for role in Role:
        for bound in (matrix.BOUND["domain"], matrix.BOUND["project"]):
            assert not await matrix.admitted(matrix.guard(role, bound).admitting(method, empty, PRESENTED)), role


def named_projects(descriptor: Any, prefix: str = "", depth: int = 2) -> Iterator[str]:
    if "project" in descriptor.fields_by_name:
        yield prefix
    for field in descriptor.fields if depth else ():
        if field.message_type is not None:
            yield from named_projects(field.message_type, f"{prefix}{field.name}.", depth - 1)


@pytest.mark.parametrize(
    "name", [path for path, rule in RULES.items() if not rule.needs and rule.door is Door.SIGNED_IN]
)
def test_a_method_about_a_project_needs_a_permission(name: str) -> None:
    method = matrix.METHODS[name]

    if method.name not in ("CanI", "CreateKey"):  # The one only answers, the other only limits.
        assert list(named_projects(method.request.DESCRIPTOR)) == []
    assert method.name in set().union(*WITHOUT_PROJECT.values())


async def test_a_launch_in_another_project_needs_the_right_in_both() -> None:
    method = matrix.METHODS["/flyteidl.service.AdminService/CreateExecution"]
    request: Any = method.request(project="own", domain="development")
    request.spec.launch_plan.project, request.spec.launch_plan.domain = "foreign", "development"

    for bound, expected in ((matrix.OWN, False), (Scope("foreign"), False), (Scope(), True)):
        guard = matrix.guard(Role.LAUNCHER, bound)
        assert await matrix.admitted(guard.admitting(method, request, PRESENTED)) is expected, bound


@pytest.mark.parametrize("name", ["CreateExecution", "RecoverExecution"])
async def test_only_the_engine_names_a_parent(name: str) -> None:
    """A child has the principal of its parent, so who could name any execution could act as anybody."""
    method = matrix.METHODS[f"/flyteidl.service.AdminService/{name}"]
    request: Any = matrix.request_about(method, matrix.OWN)
    metadata = request.spec.metadata if name == "CreateExecution" else request.metadata
    metadata.parent_node_execution.execution_id.project = "own"
    metadata.parent_node_execution.execution_id.domain = "development"

    for role, expected in ((Role.PLATFORM_ADMIN, False), (Role.ENGINE, True)):
        assert await matrix.admitted(matrix.guard(role, Scope()).admitting(method, request, PRESENTED)) is expected


def test_no_domain_of_a_request_stands_for_all_domains() -> None:
    assert not matrix.OWN.covers(Scope("own", "*"))
