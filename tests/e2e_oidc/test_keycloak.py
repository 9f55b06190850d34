"""Admin as an operator starts it, with a real Keycloak as its identity provider: make e2e-oidc."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from flyteidl.admin import common_pb2, project_pb2, task_pb2
from flyteidl.service import identity_pb2
from joserfc import jws
from sqlalchemy import URL

from flytetemporal.contracts.v1 import access_pb2
from tests.fixtures import registrations
from tests.fixtures.keycloak.admin import Admin, Environment
from tests.fixtures.keycloak.server import Keycloak
from tests.fixtures.keycloak.visitor import Visitor
from tests.fixtures.registrations import DOMAIN, PROJECT
from tests.fixtures.waiting import HANG_SECONDS

SERVICE = "/flyteidl.service.AdminService/"
TASKS = f"/api/v1/tasks/{PROJECT}/{DOMAIN}"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def issuer(keycloak: Keycloak) -> str:
    return keycloak.import_realm("flyte")


@pytest.fixture(scope="module")
def environment(
    issuer: str, migrated: URL, temporal_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    return Environment.made(tmp_path_factory.mktemp("installation"), migrated, temporal_address, issuer)


@pytest.fixture(scope="module")
def admin(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    with environment.admin(tmp_path_factory.mktemp("admin") / "admin.log") as found:
        yield found


@pytest.fixture
async def alice() -> AsyncIterator[Visitor]:
    found = Visitor("alice")
    async with found:
        yield found


@pytest.fixture
async def bob() -> AsyncIterator[Visitor]:
    found = Visitor("bob")
    async with found:
        yield found


async def device_token(keycloak: Keycloak, issuer: str, user: Visitor) -> str:
    """Return the token of a device that a user has approved."""
    device = keycloak.ask(issuer, "auth/device", client_id="flytectl")
    asked = {"grant_type": DEVICE_CODE, "client_id": "flytectl", "device_code": device["device_code"]}
    assert keycloak.ask(issuer, "token", **asked)["error"] == "authorization_pending"
    await user.open(device["verification_uri_complete"])
    # Keycloak refuses devices that ask more often than it has told them to.
    await asyncio.sleep(device["interval"])
    return str(keycloak.ask(issuer, "token", **asked)["access_token"])


async def projects(admin: Admin, token: str) -> list[str]:
    """Return the projects that are listed, the same ones over gRPC and HTTP."""
    request = project_pb2.ProjectListRequest(limit=10)
    listed = await admin.call(token, SERVICE + "ListProjects", request, project_pb2.Projects)
    over_grpc = [found.id for found in listed.projects]
    answer = await admin.get("/api/v1/projects?limit=10", token)
    assert [found["id"] for found in answer.json()["projects"]] == over_grpc
    return over_grpc


async def refused(admin: Admin, token: str) -> str:
    """Return the sentence with which both ports refuse a token."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await admin.call(token, SERVICE + "ListProjects", project_pb2.ProjectListRequest(limit=1), project_pb2.Projects)
    answer = await admin.get("/api/v1/projects", token)
    assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (answer.status_code, answer.json()["message"]) == (401, failure.value.details())
    return str(failure.value.details())


async def register(admin: Admin, token: str, name: str) -> None:
    await admin.call(token, SERVICE + "CreateTask", registrations.task(name), task_pb2.TaskCreateResponse)


async def grant(admin: Admin, token: str, subject: str, role: str) -> None:
    binding = access_pb2.RoleBinding(subject=subject, role=role, project=PROJECT, domain=DOMAIN)
    request = access_pb2.GrantRequest(binding=binding)
    await admin.call(token, "/flytetemporal.v1.AccessService/Grant", request, access_pb2.GrantResponse)


async def until_permitted(user: Visitor, url: str) -> None:
    """Return once every admin knows the roles of a user."""
    async with asyncio.timeout(HANG_SECONDS):
        while (await user.get(url)).status_code == 403:  # noqa: ASYNC110  roles are read again every second
            await asyncio.sleep(0.1)


async def test_a_client_signs_in_with_its_secret(keycloak: Keycloak, issuer: str, admin: Admin) -> None:
    assert PROJECT in await projects(admin, keycloak.service_token(issuer))


async def test_a_token_that_is_not_for_this_server_is_refused(keycloak: Keycloak, issuer: str, admin: Admin) -> None:
    secret = {"client_id": "stranger", "client_secret": "a secret of stranger"}
    token = keycloak.ask(issuer, "token", grant_type="client_credentials", **secret)["access_token"]

    assert "the token is for [account]" in await refused(admin, token)


async def test_a_token_of_another_realm_is_refused(keycloak: Keycloak, admin: Admin) -> None:
    token = keycloak.service_token(keycloak.import_realm("another"))

    assert "issued by a server that is not trusted" in await refused(admin, token)


async def test_a_user_logs_in_with_a_browser_and_out_again(admin: Admin, alice: Visitor) -> None:
    assert (await alice.get(f"{admin.url}/me")).status_code == 401

    page = await alice.open(f"{admin.url}/login")

    assert (page.status_code, page.url.path, alice.forms) == (200, "/healthcheck", 1)
    told = (await alice.get(f"{admin.url}/me")).json()
    assert (told["name"], told["email"], told["preferredUsername"]) == ("Alice Adams", "alice@example.com", "alice")
    await alice.follow(f"{admin.url}/logout")
    assert (await alice.get(f"{admin.url}/me")).status_code == 401
    # Keycloak has ended the session, too: without its refresh token, no client used it.
    await alice.open(f"{admin.url}/login")
    assert ((await alice.get(f"{admin.url}/me")).status_code, alice.forms) == (200, 2)


async def test_a_device_acts_as_the_user_who_accepts_it(
    keycloak: Keycloak, issuer: str, admin: Admin, bob: Visitor
) -> None:
    token = await device_token(keycloak, issuer, bob)

    path = "/flyteidl.service.IdentityService/UserInfo"
    told = await admin.call(token, path, identity_pb2.UserInfoRequest(), identity_pb2.UserInfoResponse)
    assert (told.preferred_username, told.email) == ("bob", "bob@example.com")
    assert (await admin.get("/me", token)).json()["subject"] == told.subject
    assert bob.forms == 2


async def test_the_role_of_a_group_decides_what_its_users_may_do(
    keycloak: Keycloak, issuer: str, admin: Admin, alice: Visitor, bob: Visitor
) -> None:
    deployer = keycloak.service_token(issuer)
    for_alice, for_bob = [await device_token(keycloak, issuer, user) for user in (alice, bob)]
    for user in (alice, bob):
        await user.open(f"{admin.url}/login")
        assert (await user.get(admin.url + TASKS)).status_code == 403

    await grant(admin, deployer, "group:engineers", "developer")
    await grant(admin, deployer, "group:visitors", "viewer")

    for user in (alice, bob):
        await until_permitted(user, admin.url + TASKS)
    await register(admin, for_alice, "hers")
    with pytest.raises(grpc.aio.AioRpcError, match="lacks the permission to register") as failure:
        await register(admin, for_bob, "his")
    assert failure.value.code() is grpc.StatusCode.PERMISSION_DENIED
    wanted = common_pb2.ObjectGetRequest(id=registrations.identifier("TASK", "hers"))
    assert (await admin.call(for_bob, SERVICE + "GetTask", wanted, task_pb2.Task)).id.name == "hers"
    for user in (alice, bob):
        listed = (await user.get(f"{admin.url}{TASKS}?limit=9")).json()["tasks"]
        assert [found["id"]["name"] for found in listed] == ["hers"]


async def test_a_new_key_is_followed_and_the_tokens_of_the_old_one_count(
    keycloak: Keycloak, issuer: str, admin: Admin
) -> None:
    before = keycloak.service_token(issuer)
    await projects(admin, before)

    keycloak.rotate("flyte")

    after = keycloak.service_token(issuer)
    first, second = [jws.extract_compact(token.encode()).headers()["kid"] for token in (before, after)]
    assert first != second
    assert await projects(admin, after) == await projects(admin, before)


async def test_sessions_and_known_keys_count_while_keycloak_is_down(
    keycloak: Keycloak, issuer: str, environment: Environment, admin: Admin, alice: Visitor, tmp_path: Path
) -> None:
    token = keycloak.service_token(issuer)
    await projects(admin, token)
    await alice.open(f"{admin.url}/login")

    keycloak.stop()

    with environment.admin(tmp_path / "new.log") as new:
        try:
            assert PROJECT in await projects(admin, token)
            assert (await alice.get(f"{admin.url}/me")).status_code == 200
            # Who has not met Keycloak yet says that it is down.
            for answer in (await new.get("/api/v1/projects", token), await alice.get(f"{new.url}/login")):
                assert answer.status_code == 503
                assert f"the identity provider {issuer} cannot be asked" in answer.text
        finally:
            keycloak.start()
        assert PROJECT in await projects(new, token)
        assert PROJECT in await projects(new, keycloak.service_token(issuer))
        assert (await alice.open(f"{new.url}/login")).url.path == "/healthcheck"
