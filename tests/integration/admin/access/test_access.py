"""Roles, API keys and the audit log over a real gRPC port with sign-in, and a real Postgres."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import project_pb2
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from flytetemporal.admin.access import audit, loading
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.settings import projects
from flytetemporal.auth.roles import Binding, Role, Subject
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.wiring.sign_in import freshness
from flytetemporal.contracts.v1 import access_pb2 as a
from flytetemporal.errors import FlyteError, InvalidRequest, NotFound, PermissionDenied, QuotaExceeded, Unauthenticated
from tests.fixtures.signed_in import ROOT, Server, serving


@pytest.fixture
async def admin(deps: Dependencies) -> AsyncIterator[Server]:
    await projects.register_defaults(deps)
    async with serving(deps) as found:
        yield found


async def test_a_granted_role_applies_on_every_admin_and_a_revoked_one_nowhere(
    admin: Server, deps: Dependencies
) -> None:
    binding = a.RoleBinding(subject="user:ada", role="viewer", project="flytesnacks", domain="development")
    async with serving(deps) as other:
        assert await admin.visible("user:ada") == await other.visible("user:ada") == []
        for _ in range(2):  # Repeating it changes nothing.
            await admin.call(ROOT, "Grant", a.GrantRequest(binding=binding))
        for one in (admin, other):
            await one.loader.refresh()
            assert await one.visible("user:ada") == ["flytesnacks"]
        revoked = [(await other.call(ROOT, "Revoke", a.RevokeRequest(binding=binding))).revoked for _ in range(2)]
        for one in (admin, other):
            await one.loader.refresh()
            assert await one.visible("user:ada") == []

    assert revoked == [True, False]


async def test_a_running_admin_looks_for_changes_by_itself(admin: Server) -> None:
    async with freshness.fresh(admin.deps, admin.log):
        binding = a.RoleBinding(subject="user:ada", role="viewer", project="flytetester")
        await admin.call(ROOT, "Grant", a.GrantRequest(binding=binding))
        async with asyncio.timeout(60):
            while await admin.visible("user:ada") != ["flytetester"]:  # noqa: ASYNC110  only admin knows
                await asyncio.sleep(loading.INTERVAL_SECONDS / 4)


async def test_roles_stay_while_the_database_does_not_answer(admin: Server) -> None:
    await admin.grant(ROOT, "user:ada", "viewer", "flytesnacks")
    async with admin.deps.sessions.begin() as session:
        await session.execute(text("alter table access_revisions rename to hidden"))
    try:
        with pytest.raises(ProgrammingError, match="access_revisions"):
            await admin.loader.refresh()
        assert await admin.visible("user:ada") == ["flytesnacks"]
    finally:
        async with admin.deps.sessions.begin() as session:
            await session.execute(text("alter table hidden rename to access_revisions"))


async def test_administrators_of_a_project_give_roles_there_that_they_have(admin: Server) -> None:
    await admin.grant(ROOT, "group:none", "viewer")
    await admin.grant(ROOT, "user:pia", "project_admin", "flytesnacks")

    await admin.grant("user:pia", "user:ada", "developer", "flytesnacks", "development")

    for subject, role, project in (
        ("user:ada", "developer", "flytetester"),
        ("user:pia", "project_admin", ""),
        ("user:ada", "auditor", "flytesnacks"),
        ("user:pia", "platform_admin", ""),
    ):
        with pytest.raises(PermissionDenied, match="lacks the permission"):
            await admin.grant("user:pia", subject, role, project)
    with pytest.raises(PermissionDenied):
        await admin.grant("user:ada", "user:ada", "developer", "flytesnacks", "development")


async def test_who_administers_all_projects_does_not_become_administrator_of_the_platform(admin: Server) -> None:
    await admin.grant(ROOT, "user:pia", "project_admin")

    for role in ("platform_admin", "engine", "auditor"):
        with pytest.raises(PermissionDenied):
            await admin.grant("user:pia", "user:pia", role)


@pytest.mark.parametrize(
    ("binding", "problem"),
    [
        ({"subject": "ada", "role": "viewer"}, "is none of user:NAME"),
        ({"subject": "user:ada", "role": "boss"}, "role \\[boss\\] is unknown"),
        ({"subject": "user:ada", "role": "viewer", "domain": "development"}, "missing project"),
        ({"subject": "user:ada", "role": "viewer", "project": "nosuch"}, "nosuch"),
        ({"subject": "user:ada", "role": "viewer", "project": "flytesnacks", "domain": "nosuch"}, "nosuch"),
        ({"subject": "user:ada", "role": "engine", "project": "flytesnacks"}, "bound to the platform only"),
        ({"subject": "user:" + "a" * 300, "role": "viewer"}, "subject"),
        ({"subject": "user:a\nb", "role": "viewer"}, "cannot be shown"),
        ({}, "is none of user:NAME"),
    ],
)
async def test_a_binding_that_makes_no_sense_is_refused(admin: Server, binding: dict[str, Any], problem: str) -> None:
    given = a.RoleBinding(**binding)
    grant, applied = a.GrantRequest(binding=given), a.ApplyBindingsRequest(source="file", bindings=[given])
    for name, request in (("Grant", grant), ("ApplyBindings", applied)):
        with pytest.raises(FlyteError, match=problem) as raised:
            await admin.call(ROOT, name, request)
        assert isinstance(raised.value, InvalidRequest | NotFound)


async def test_applying_replaces_the_roles_of_the_same_source_only(admin: Server) -> None:
    await admin.grant(ROOT, "user:kim", "viewer", "flytetester")

    async def apply(source: str, *subjects: str) -> tuple[int, int]:
        bindings = [a.RoleBinding(subject=found, role="viewer", project="flytesnacks") for found in subjects]
        request = a.ApplyBindingsRequest(source=source, bindings=bindings)
        answer = await admin.call(ROOT, "ApplyBindings", request)
        return answer.added, answer.removed

    assert await apply("file", "user:ada", "user:bob", "user:bob") == (2, 0)
    assert await apply("other", "user:ada") == (1, 0)
    assert await apply("file", "user:bob", "user:eve") == (1, 1)
    assert await apply("file", "user:bob", "user:eve") == (0, 0)
    listed = await admin.call(ROOT, "ListBindings", a.ListBindingsRequest())
    assert [(one.subject, one.source) for one in listed.bindings] == [
        ("user:ada", "other"), ("user:bob", "file"), ("user:eve", "file"), ("user:kim", ""),
    ]  # fmt: skip
    binding = a.RoleBinding(subject="user:eve", role="viewer", project="flytesnacks")
    with pytest.raises(FlyteError, match="the role comes from \\[file\\]"):
        await admin.call(ROOT, "Revoke", a.RevokeRequest(binding=binding))


async def test_a_file_of_roles_is_applied_at_the_start(admin: Server, tmp_path: Path) -> None:
    path = tmp_path / "roles.yaml"
    path.write_text("bindings:\n- {subject: 'user:ada', role: viewer, project: flytesnacks}\n")
    deps = dataclasses.replace(admin.deps, auth=admin.deps.auth.model_copy(update={"policy_file": str(path)}))
    async with freshness.fresh(deps, admin.log):
        assert await admin.visible("user:ada") == ["flytesnacks"]
    path.write_text("bindings:\n- {subject: 'user:ada', role: boss}\n")

    with pytest.raises(CommandError, match="binding 1: role \\[boss\\] is unknown"):
        async with freshness.fresh(deps, admin.log):
            pass


async def test_callers_ask_what_they_may(admin: Server) -> None:
    await admin.grant(ROOT, "user:ada", "launcher", "flytesnacks", "development")

    async def can(permission: str, domain: str) -> a.CanIResponse:
        request = a.CanIRequest(permission=permission, project="flytesnacks", domain=domain)
        answer: a.CanIResponse = await admin.call("user:ada", "CanI", request)
        return answer

    assert (await can("launch", "development")).allowed
    refused = await can("launch", "production")
    assert not refused.allowed
    assert "needs one of the roles launcher" in refused.reason
    with pytest.raises(FlyteError, match="permission \\[fly\\] is unknown"):
        await can("fly", "development")


async def test_a_refusal_does_not_tell_whether_something_exists(admin: Server) -> None:
    texts = set()
    for project in ("flytesnacks", "nosuchproj1"):
        with pytest.raises(PermissionDenied) as raised:
            await admin.call(
                "user:ada", "/flyteidl.service.AdminService/GetProject", project_pb2.ProjectGetRequest(id=project),
                project_pb2.Project,
            )  # fmt: skip
        texts.add(raised.value.message.replace(project, "PROJECT"))

    assert len(texts) == 1


async def test_a_key_acts_as_its_owner_within_its_limits(admin: Server) -> None:
    await admin.grant(ROOT, "user:ada", "developer", "flytesnacks")
    await admin.grant(ROOT, "user:ada", "viewer", "flytetester")
    _, free = await admin.make_key("user:ada", "free")
    _, limited = await admin.make_key("user:ada", "limited", role="viewer", project="flytesnacks", domain="production")

    async def can(secret: str, permission: str, project: str, domain: str) -> bool:
        request = a.CanIRequest(permission=permission, project=project, domain=domain)
        return bool((await admin.call(secret, "CanI", request)).allowed)

    assert await admin.visible(free) == ["flytesnacks", "flytetester"]
    assert await admin.visible(limited) == ["flytesnacks"]
    assert await can(free, "register", "flytesnacks", "development")
    assert await can(limited, "read", "flytesnacks", "production")
    assert not await can(limited, "register", "flytesnacks", "production")
    assert not await can(limited, "read", "flytesnacks", "development")


async def test_a_key_has_roles_of_its_own(admin: Server) -> None:
    key_id, secret = await admin.make_key(ROOT, owner="service:ci")
    assert await admin.visible(secret) == []

    await admin.grant(ROOT, f"key:{key_id}", "viewer", "flytetester")

    assert await admin.visible(secret) == ["flytetester"]


async def test_only_a_hash_of_a_key_is_stored(admin: Server) -> None:
    key_id, secret = await admin.make_key("user:ada")
    async with admin.deps.sessions() as session:
        stored = str((await session.execute(text("select * from access_keys"))).all())
        log = str((await session.execute(text("select * from audit_log"))).all())

    assert key_id in stored
    assert secret not in stored + log
    assert secret.rpartition("_")[2] not in stored + log


async def test_a_revoked_or_expired_or_changed_key_is_refused(admin: Server) -> None:
    key_id, secret = await admin.make_key("user:ada")
    short_id, short = await admin.make_key("user:ada", "short")
    async with admin.deps.sessions.begin() as session:
        expire = text("update access_keys set expires_at = now() - interval '1 s' where id = :id")
        await session.execute(expire, {"id": short_id})
        await loading.changed(session)
    for _ in range(2):
        await admin.call("user:ada", "RevokeKey", a.RevokeKeyRequest(id=key_id))
    assert await admin.visible("user:ada") == []
    await admin.loader.refresh()

    for wrong, problem in (
        (secret, "unknown or revoked"), (short, "has expired"), (short + "x", "unknown"), (short[:-1], "unknown"),
        ("ftk_", "unknown"), ("ftk_nosuch_x", "unknown"),
    ):  # fmt: skip
        with pytest.raises(Unauthenticated, match=problem):
            await admin.visible(wrong)


async def test_keys_of_others_are_neither_made_nor_seen_nor_revoked(admin: Server) -> None:
    key_id, _ = await admin.make_key("user:ada")

    with pytest.raises(PermissionDenied):
        await admin.make_key("user:eve", owner="user:ada")
    with pytest.raises(NotFound, match="you have no API key"):
        await admin.call("user:eve", "RevokeKey", a.RevokeKeyRequest(id=key_id))
    with pytest.raises(PermissionDenied):
        await admin.call("user:eve", "ListKeys", a.ListKeysRequest(all=True))
    assert list((await admin.call("user:eve", "ListKeys", a.ListKeysRequest())).keys) == []
    (mine,) = (await admin.call("user:ada", "ListKeys", a.ListKeysRequest())).keys
    (all_,) = (await admin.call(ROOT, "ListKeys", a.ListKeysRequest(all=True))).keys
    assert mine.id == all_.id == key_id
    assert not mine.HasField("revoked_at")


async def test_a_key_makes_no_keys(admin: Server) -> None:
    """One that is limited could make one that is not."""
    _, secret = await admin.make_key("user:ada", role="viewer")

    with pytest.raises(PermissionDenied, match="makes no API keys"):
        await admin.make_key(secret, "another")


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"name": ""}, "name"),
        ({"role": "boss"}, "is unknown"),
        ({"domain": "development"}, "missing project"),
        ({"project": "nosuch"}, "nosuch"),
        ({"owner": "group:team"}, "neither a user nor a service"),
        ({"expires_in": {"seconds": 366 * 86_400}}, "to 365 days"),
        ({"expires_in": {"seconds": -1}}, "from one second"),
    ],
)
async def test_a_key_with_limits_that_make_no_sense_is_refused(
    admin: Server, limits: dict[str, Any], problem: str
) -> None:
    with pytest.raises(FlyteError, match=problem):
        await admin.make_key(ROOT, **limits)


async def test_the_name_of_a_key_is_free_again_once_it_is_revoked(admin: Server) -> None:
    key_id, _ = await admin.make_key("user:ada")
    with pytest.raises(FlyteError, match="has an API key named \\[ci\\]"):
        await admin.make_key("user:ada")
    await admin.make_key("user:bob")
    await admin.call("user:ada", "RevokeKey", a.RevokeKeyRequest(id=key_id))

    assert (await admin.make_key("user:ada"))[0] != key_id


async def test_a_key_in_a_url_is_refused_on_both_ways_in(admin: Server) -> None:
    await admin.grant(ROOT, "user:ada", "viewer")
    _, secret = await admin.make_key("user:ada")
    header = {"authorization": f"Bearer {secret}"}

    good = await admin.http.get("/api/v1/projects", headers=header)
    bad = await admin.http.get(f"/api/v1/projects?access_token={secret}", headers=header)

    assert good.status_code == 200
    assert bad.status_code == 401
    assert "sent in the URL" in bad.json()["message"]


async def test_changes_and_refusals_are_in_the_log_and_reads_are_not(admin: Server) -> None:
    await admin.grant(ROOT, "user:ada", "viewer", "flytesnacks")
    await admin.visible("user:ada")
    with pytest.raises(PermissionDenied):
        await admin.grant("user:ada", "user:ada", "developer", "flytesnacks")
    with pytest.raises(Unauthenticated):
        await admin.visible("nobody")
    with pytest.raises(FlyteError, match="is unknown"):
        await admin.grant(ROOT, "user:ada", "boss", "flytesnacks")

    wrong, unknown, denied, granted = await _by_code(admin)
    assert (granted.subject, granted.kind, granted.credential, granted.credential_id) == (
        "root", "user", "token", "token-of-root",
    )  # fmt: skip
    assert (granted.action, granted.project, granted.domain) == ("Grant", "flytesnacks", "")
    assert granted.target == "user:ada:viewer:flytesnacks"
    assert granted.transport == "grpc"
    assert granted.peer.startswith("ipv4:127.0.0.1")
    assert granted.request_id == "r-1"
    assert denied.subject == "ada"
    assert "lacks the permission to administer" in denied.message
    assert (unknown.subject, unknown.action) == ("", "ListProjects")
    assert (wrong.subject, wrong.code) == ("root", "INVALID_ARGUMENT")


async def _by_code(admin: Server) -> list[a.AuditEntry]:
    found = {entry.code: entry for entry in await admin.entries()}
    assert len(found) == 4
    return [found[code] for code in ("INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "OK")]


async def test_what_was_made_is_named_by_its_response(admin: Server) -> None:
    key_id, _ = await admin.make_key("user:ada")

    (entry,) = await admin.entries(action="CreateKey")
    assert key_id in entry.target


async def test_the_log_is_filtered_and_read_in_pages(admin: Server) -> None:
    for project in ("flytesnacks", "flytetester"):
        await admin.grant(ROOT, "user:ada", "viewer", project)
    with pytest.raises(PermissionDenied):
        await admin.grant("user:ada", "user:ada", "developer", "flytesnacks")
    await admin.log.write_waiting()

    assert len(await admin.entries()) == 3
    assert [entry.subject for entry in await admin.entries(refused=True)] == ["ada"]
    assert {entry.project for entry in await admin.entries(project="flytetester")} == {"flytetester"}
    assert await admin.entries(action="CreateTask") == []
    page = await admin.call(ROOT, "ListAudit", a.ListAuditRequest(limit=2))
    rest = await admin.call(ROOT, "ListAudit", a.ListAuditRequest(limit=2, token=page.token))
    assert (len(page.entries), len(rest.entries), rest.token) == (2, 1, "")


async def test_auditors_read_the_log_of_their_project_and_nothing_else(admin: Server) -> None:
    await admin.grant(ROOT, "user:olga", "auditor", "flytesnacks")

    found = await admin.call("user:olga", "ListAudit", a.ListAuditRequest(project="flytesnacks"))
    assert [entry.action for entry in found.entries] == ["Grant"]
    for project in ("flytetester", ""):
        with pytest.raises(PermissionDenied):
            await admin.call("user:olga", "ListAudit", a.ListAuditRequest(project=project))
    assert await admin.visible("user:olga") == []
    with pytest.raises(PermissionDenied):
        await admin.call("user:pia", "ListAudit", a.ListAuditRequest(project="flytesnacks"))


async def test_old_entries_are_removed_and_newer_ones_stay(admin: Server) -> None:
    for role in ("viewer", "launcher"):
        await admin.grant(ROOT, "user:ada", role, "flytesnacks")
    async with admin.deps.sessions.begin() as session:
        await session.execute(text("update audit_log set at = now() - interval '400 days' where id = 1"))

    removed = await audit.remove_old(admin.deps.sessions, admin.deps.auth.audit_max_age)

    assert removed == 1
    assert [entry.target for entry in await admin.entries()] == ["user:ada:launcher:flytesnacks"]


async def test_too_many_requests_of_a_caller_are_refused_and_workers_have_no_limit(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    # Slower than any machine: no request becomes free while this test runs.
    async with serving(deps, requests_per_second=0.001) as admin:
        admin.deps.policies.replace([Binding(Subject.parse("service:worker"), Role.ENGINE)])
        assert await admin.visible("user:ada") == []
        with pytest.raises(QuotaExceeded, match="requests per second"):
            await admin.visible("user:ada")
        assert await admin.visible("user:bob") == []
        for _ in range(10):
            assert len(await admin.visible("service:worker")) == 3


async def test_making_a_key_does_not_say_which_hidden_projects_exist(admin: Server) -> None:
    for project in ("flytetester", "nosuch"):
        key_id, _ = await admin.make_key("user:ada", name=project, project=project)
        assert key_id
    await admin.grant(ROOT, "user:pia", "viewer")
    with pytest.raises(InvalidRequest, match="nosuch"):
        await admin.make_key("user:pia", project="nosuch")


async def test_a_limited_key_revokes_itself_and_no_other(admin: Server) -> None:
    other, _ = await admin.make_key("user:ada", name="other")
    limited, secret = await admin.make_key("user:ada", name="limited", role="viewer")

    with pytest.raises(PermissionDenied, match="revokes no other API keys"):
        await admin.call(secret, "RevokeKey", a.RevokeKeyRequest(id=other))
    await admin.call(secret, "RevokeKey", a.RevokeKeyRequest(id=limited))


async def test_a_change_whose_client_hangs_up_is_in_the_audit_log(admin: Server) -> None:
    binding = a.RoleBinding(subject="user:ada", role="viewer", project="flytesnacks")
    waiting = text("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%revisions%'")
    async with asyncio.timeout(60), admin.deps.sessions.begin() as holder:
        await holder.execute(text("lock table access_revisions in exclusive mode"))
        call = asyncio.create_task(admin.call(ROOT, "Grant", a.GrantRequest(binding=binding)))
        async with admin.deps.sessions() as watcher:
            while not await watcher.scalar(waiting):  # noqa: ASYNC110  only Postgres knows
                await asyncio.sleep(0.05)
        call.cancel()
        await asyncio.wait([call])
    async with asyncio.timeout(60):
        while not (found := await admin.entries(action="Grant")):  # noqa: ASYNC110  only admin knows
            await asyncio.sleep(0.05)

    assert [(entry.subject, entry.code, entry.project) for entry in found] == [("root", "CANCELLED", "flytesnacks")]
