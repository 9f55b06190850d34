"""Which bindings apply to an identity, and what restricts them."""

import dataclasses

import pytest

from flytetemporal.auth.access import Access
from flytetemporal.auth.identity import Credential, Identity, Kind, Restriction
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.roles import PERMISSIONS, Binding, Permission, Role, Scope, Subject, role
from flytetemporal.errors import InvalidRequest, PermissionDenied

ADA = Identity("ada", "test", Kind.USER, email="ada@example.com", groups=frozenset({"team"}))
DEVELOPMENT, PROJECT, PLATFORM = Scope("p", "development"), Scope("p"), Scope()


def policies(*bound: tuple[str, Role, Scope]) -> Policies:
    return Policies(Binding(Subject.parse(subject), role, scope) for subject, role, scope in bound)


@pytest.mark.parametrize(
    ("subject", "identity", "applies"),
    [
        ("user:ada", ADA, True),
        ("user:ada@example.com", ADA, True),
        ("group:team", ADA, True),
        ("group:other", ADA, False),
        ("service:ada", ADA, False),
        ("service:ci", Identity("0", "test", Kind.SERVICE, client_id="ci"), True),
        ("service:0", Identity("0", "test", Kind.SERVICE, client_id="ci"), True),
        ("user:ci", Identity("ci", "test", Kind.SERVICE), False),
        ("key:k1", Identity("ada", "test", Kind.USER, credential=Credential.API_KEY, credential_id="k1"), True),
        ("key:k1", Identity("ada", "test", Kind.USER, credential=Credential.TOKEN, credential_id="k1"), False),
        ("user:ada", Identity("ada", "test", Kind.TASK), False),
        ("user:", Identity("", "test", Kind.USER), False),
    ],
)
def test_a_binding_applies_to_its_subject_only(subject: str, identity: Identity, *, applies: bool) -> None:
    if subject == "user:":
        with pytest.raises(InvalidRequest):
            Subject.parse(subject)
        return

    assert policies((subject, Role.VIEWER, PROJECT)).allows(identity, Permission.READ, DEVELOPMENT) is applies


@pytest.mark.parametrize(
    ("bound", "wanted", "covers"),
    [
        (PLATFORM, PLATFORM, True),
        (PLATFORM, DEVELOPMENT, True),
        (PROJECT, PLATFORM, False),
        (PROJECT, PROJECT, True),
        (PROJECT, DEVELOPMENT, True),
        (PROJECT, Scope("q"), False),
        (PROJECT, Scope("q", "development"), False),
        (DEVELOPMENT, PROJECT, False),
        (DEVELOPMENT, Scope("p", "production"), False),
        (DEVELOPMENT, Scope("p", any_domain=True), True),
        (DEVELOPMENT, Scope("q", any_domain=True), False),
        (PROJECT, Scope("", "development"), False),
    ],
)
def test_a_role_reaches_as_far_as_its_scope(bound: Scope, wanted: Scope, *, covers: bool) -> None:
    assert bound.covers(wanted) is covers


def test_a_restriction_only_takes_away() -> None:
    known = policies(("user:ada", Role.DEVELOPER, PROJECT), ("user:ada", Role.PLATFORM_ADMIN, Scope("q")))

    def scopes(permission: Permission, **restriction: str) -> list[Scope]:
        restricted = dataclasses.replace(ADA, restriction=Restriction(**restriction))
        return known.scopes(restricted, permission)

    assert scopes(Permission.REGISTER, project="p", domain="development") == [DEVELOPMENT]
    assert scopes(Permission.REGISTER, role="viewer", project="p") == []
    assert scopes(Permission.READ, role="viewer", project="p") == [PROJECT]
    assert scopes(Permission.READ, role="viewer", project="r") == []
    assert scopes(Permission.READ, role="platform_admin") == [PROJECT, Scope("q")]
    assert scopes(Permission.PLATFORM, role="platform_admin", project="p") == []


def test_a_task_may_do_what_its_token_says_and_nothing_more() -> None:
    known = policies(("user:ada", Role.PLATFORM_ADMIN, PLATFORM), ("group:team", Role.PLATFORM_ADMIN, PLATFORM))
    task = Identity(
        "ada", "test", Kind.TASK, groups=ADA.groups, restriction=Restriction("launcher", "p", "development")
    )

    assert known.allows(task, Permission.LAUNCH, DEVELOPMENT)
    assert not known.allows(task, Permission.REGISTER, DEVELOPMENT)
    assert not known.allows(task, Permission.READ, Scope("p", "production"))
    assert not known.allows(dataclasses.replace(task, restriction=None), Permission.READ, DEVELOPMENT)


def test_bindings_are_replaced_at_once_and_fixed_ones_stay() -> None:
    known = policies(("user:ada", Role.VIEWER, PROJECT))
    known.replace([Binding(Subject.parse("user:ada"), Role.LAUNCHER, Scope("q"))])

    assert known.allows(ADA, Permission.LAUNCH, Scope("q"))
    known.replace([])
    assert not known.allows(ADA, Permission.LAUNCH, Scope("q"))
    assert known.allows(ADA, Permission.READ, PROJECT)


def test_only_workers_report_events() -> None:
    assert [found for found, permissions in PERMISSIONS.items() if Permission.ENGINE in permissions] == [Role.ENGINE]


def test_a_refusal_says_what_is_missing_where_and_whom_to_ask() -> None:
    with pytest.raises(PermissionDenied) as raised:
        Access(ADA, policies()).require(Permission.OPERATE, DEVELOPMENT)

    assert raised.value.message == (
        "[ada@example.com] lacks the permission to operate on project [p], domain [development]: it needs one of the "
        "roles operator, project_admin, platform_admin there; ask an administrator of the project"
    )


@pytest.mark.parametrize("text", ["ada", "person:ada", ":ada", "user:"])
def test_subjects_name_their_kind(text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"is none of user:NAME, group:NAME, service:NAME, key:NAME"):
        Subject.parse(text)


def test_unknown_roles_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="role \\[boss\\] is unknown; the roles are viewer, launcher"):
        role("boss")
