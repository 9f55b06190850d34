"""Clients and workers that sign in with their certificates, over mutual TLS on both ports."""

import base64
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from flyteidl.admin import project_pb2

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth import passwords
from flytetemporal.auth.api_keys import ApiKeys
from flytetemporal.cli.wiring import connections
from flytetemporal.cli.wiring.sign_in import checks, guards
from flytetemporal.config.auth import AuthSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.errors import Unauthenticated, Unavailable
from flytetemporal.rpc.client import Client
from tests.fixtures.certificates import Authority, Issued
from tests.fixtures.guarded import Guarded, guarded

LIST = "/flyteidl.service.AdminService/ListProjects"
PASSWORD = "correct horse"


@dataclass(frozen=True)
class Mutual:
    """A server that knows ``worker.example.com`` and ``ada@example.com`` by their certificates."""

    server: Guarded
    authority: Authority
    folder: Path

    def issued(self, name: str, authority: Authority | None = None) -> Issued:
        files = Issued(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        return (authority or self.authority).issue(files, name)

    async def over_grpc(self, own: Issued) -> str:
        """Return whom a worker with this certificate is taken for."""
        settings = WorkerSettings(
            admin_endpoint=f"localhost:{self.server.settings.grpc_port}",
            admin_tls=True,
            admin_ca=str(self.authority.path),
            admin_client_certificate=str(own.certificate),
            admin_client_key=str(own.key),
        )
        client = Client(settings.admin_endpoint, connections.admin_files(settings), connections.admin_tokens(settings))
        try:
            return (await client.method(LIST, project_pb2.Projects)(project_pb2.ProjectListRequest(limit=1))).token
        finally:
            await client.close()

    async def over_http(self, own: Issued, **headers: str) -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.authority.path))
        context.load_cert_chain(own.certificate, own.key)
        async with httpx.AsyncClient(verify=context) as http:
            url = f"https://localhost:{self.server.settings.http_port}/api/v1/projects"
            return await http.get(url, headers=headers)


@pytest.fixture
async def mutual(tmp_path: Path) -> AsyncIterator[Mutual]:
    authority = Authority(tmp_path, "authority")
    own = authority.issue(Issued(tmp_path / "own.crt", tmp_path / "own.key"), "localhost")
    users = tmp_path / "users"
    users.write_text(f"bob:{passwords.hash_of(PASSWORD)}\n")
    principals = {"dns:worker.example.com": "service:flytepropeller", "email:ada@example.com": "user:ada"}
    settings = AuthSettings.model_validate(
        {
            "certificates": {"enabled": True, "principals": principals},
            "basic": {"password_file": str(users)},
        }
    )
    guard = guards.guard(settings, guards.policies(settings), ApiKeys(), LoggedAudit())
    files = {"tls_certificate": own.certificate, "tls_key": own.key, "tls_client_ca": authority.path}
    async with guarded(guard, tls={name: str(path) for name, path in files.items()}) as server:
        checks.check(settings, server.settings)
        yield Mutual(server, authority, tmp_path)


async def test_a_worker_signs_in_with_its_certificate_alone(mutual: Mutual) -> None:
    assert await mutual.over_grpc(mutual.issued("worker.example.com")) == "flytepropeller"


async def test_a_user_signs_in_with_a_certificate_on_the_http_port(mutual: Mutual) -> None:
    own = mutual.issued("ada@example.com")

    assert (await mutual.over_http(own)).json()["token"] == "ada"
    assert (await mutual.over_http(own)).json()["token"] == "ada"


async def test_a_certificate_of_nobody_is_refused_with_what_to_do(mutual: Mutual) -> None:
    own = mutual.issued("stranger.example.com")

    with pytest.raises(Unauthenticated, match="leads to a principal; an administrator"):
        await mutual.over_grpc(own)
    answer = await mutual.over_http(own)
    assert answer.status_code == 401
    assert "leads to a principal; an administrator" in answer.json()["message"]


async def test_another_credential_counts_more_than_the_certificate(mutual: Mutual) -> None:
    own = mutual.issued("worker.example.com")
    right, wrong = (base64.b64encode(f"bob:{word}".encode()).decode() for word in (PASSWORD, "wrong"))

    assert (await mutual.over_http(own, authorization=f"Basic {right}")).json()["token"] == "bob"
    assert (await mutual.over_http(own, authorization=f"Basic {wrong}")).status_code == 401
    assert (await mutual.over_http(own, authorization="Bearer unknown")).status_code == 401


async def test_a_certificate_of_another_authority_with_the_right_name_does_not_connect(
    mutual: Mutual, tmp_path: Path
) -> None:
    forged = mutual.issued("worker.example.com", Authority(tmp_path, "stranger"))

    with pytest.raises(Unavailable):
        await mutual.over_grpc(forged)
    with pytest.raises((httpx.HTTPError, ssl.SSLError)):
        await mutual.over_http(forged)
