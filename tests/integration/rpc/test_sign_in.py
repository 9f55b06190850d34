"""Sign-in over real gRPC and HTTP ports: what reaches an authenticator, and what is answered without."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from flyteidl.admin import project_pb2, version_pb2
from flyteidl.service import admin_pb2, admin_pb2_grpc

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth import identity as identities
from flytetemporal.auth.authentication import Chain, Presented
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.auth.policies import Policies
from flytetemporal.cli.dev import ports
from flytetemporal.cli.serving import http_port
from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import Unauthenticated
from flytetemporal.rpc import client, gateway, methods, server
from flytetemporal.rpc.tls import ClientFiles
from tests.fixtures.certificates import Authority, Issued

ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
LIST = project_pb2.ProjectListRequest(limit=1)


async def list_projects(_: None, __: project_pb2.ProjectListRequest) -> project_pb2.Projects:
    """Answer with the subject that the call acts as."""
    caller = identities.current()
    return project_pb2.Projects(token=caller.subject if caller else "nobody")


async def get_version(_: None, __: version_pb2.GetVersionRequest) -> version_pb2.GetVersionResponse:
    return version_pb2.GetVersionResponse()


FUNCTIONS: dict[str, methods.Function[None]] = {"ListProjects": list_projects, "GetVersion": get_version}


@dataclass
class Recording:
    """Accepts ``Bearer ada``, the cookie ``session=ada``, and any certificate; records what was presented."""

    presented: list[Presented] = field(default_factory=list)

    async def authenticate(self, presented: Presented) -> Identity | None:
        self.presented.append(presented)
        if presented.certificate is not None:
            return Identity("machine", "test", Kind.SERVICE)
        if presented.authorization == "Bearer ada" or presented.cookies.get("session") == "ada":
            return Identity("ada", "test", Kind.USER)
        if presented.authorization:
            raise Unauthenticated("the token has expired; sign in again")
        return None


@dataclass(frozen=True)
class Served:
    settings: AdminSettings
    authenticator: Recording

    async def over_grpc(self, *metadata: tuple[str, str], files: ClientFiles | None = None) -> str:
        async with client.channel(f"localhost:{self.settings.grpc_port}", files) as channel:
            stub: Any = admin_pb2_grpc.AdminServiceStub(channel)
            return str((await stub.ListProjects(LIST, metadata=metadata, timeout=10)).token)

    async def over_http(
        self, headers: dict[str, str], verify: ssl.SSLContext | bool = True, path: str = "/api/v1/projects"
    ) -> httpx.Response:
        scheme = "https" if self.settings.tls_certificate else "http"
        async with httpx.AsyncClient(verify=verify) as http:
            url = f"{scheme}://localhost:{self.settings.http_port}{path}"
            return await http.get(url, headers=headers)


@contextlib.asynccontextmanager
async def serving(**settings: str) -> AsyncIterator[Served]:
    found = AdminSettings(grpc_port=ports.free(), http_port=ports.free(), **settings)  # type: ignore[arg-type]
    authenticator = Recording()
    guard = SignInGuard(Chain([authenticator]), Policies(), LoggedAudit())
    bound = methods.bind(ADMIN, FUNCTIONS, None, unserved=ADMIN.methods_by_name.keys() - FUNCTIONS.keys())
    grpc_server = server.grpc_server(bound, found, guard)
    await grpc_server.start()
    async with http_port.serving(gateway.http_app(bound, found, guard=guard), found):
        yield Served(found, authenticator)
    await grpc_server.stop(0)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as found:
        yield found


@pytest.mark.parametrize("key", ["authorization", "flyte-authorization"])
async def test_a_credential_is_read_from_metadata_and_headers(served: Served, key: str) -> None:
    assert await served.over_grpc((key, "Bearer ada")) == "ada"
    answer = await served.over_http({key: "Bearer ada"})

    assert answer.json()["token"] == "ada"
    assert [presented.transport for presented in served.authenticator.presented] == ["grpc", "http"]
    assert all(presented.peer for presented in served.authenticator.presented)


async def test_flytes_own_header_replaces_the_usual_one(served: Served) -> None:
    """Because a proxy may use ``authorization`` for itself."""
    assert await served.over_grpc(("authorization", "Basic proxy"), ("flyte-authorization", "Bearer ada")) == "ada"


async def test_cookies_are_presented(served: Served) -> None:
    assert (await served.over_http({"cookie": "session=ada; other=x"})).json()["token"] == "ada"


async def test_requests_have_the_id_that_the_client_gives_or_a_new_one(served: Served) -> None:
    await served.over_grpc(("authorization", "Bearer ada"), ("x-request-id", "r-1"))
    await served.over_http({"authorization": "Bearer ada", "x-request-id": "r-2"})
    await served.over_http({"authorization": "Bearer ada", "x-request-id": "r" * 101})
    await served.over_grpc(("authorization", "Bearer ada"))

    first, second, *made_up = [presented.request_id for presented in served.authenticator.presented]
    assert [first, second] == ["r-1", "r-2"]
    assert all(len(found) == 22 and found.startswith("a-") for found in made_up)
    assert len(set(made_up)) == 2


@pytest.mark.parametrize(("credential", "problem"), [("", "sign in"), ("Bearer eve", "the token has expired")])
async def test_others_are_unauthenticated(served: Served, credential: str, problem: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.over_grpc(("authorization", credential))
    answer = await served.over_http({"authorization": credential})

    assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert problem in str(raised.value.details())
    assert answer.status_code == 401
    assert answer.json()["code"] == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert problem in answer.json()["message"]
    assert answer.headers["www-authenticate"] == 'Bearer realm="flyte"'


async def test_the_version_is_told_to_everybody(served: Served) -> None:
    assert (await served.over_http({}, path="/api/v1/version")).status_code == 200
    assert served.authenticator.presented == []


async def test_certificates_of_clients_are_presented_on_both_ports(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own = authority.issue(Issued(tmp_path / "own.crt", tmp_path / "own.key"), "localhost")
    theirs = authority.issue(Issued(tmp_path / "client.crt", tmp_path / "client.key"), "client")
    context = ssl.create_default_context(cafile=str(authority.path))
    context.load_cert_chain(theirs.certificate, theirs.key)
    files = {"tls_certificate": own.certificate, "tls_key": own.key, "tls_client_ca": authority.path}
    async with serving(**{name: str(path) for name, path in files.items()}) as served:
        as_client = ClientFiles(str(authority.path), str(theirs.certificate), str(theirs.key))
        assert await served.over_grpc(files=as_client) == "machine"
        assert (await served.over_http({}, context)).json()["token"] == "machine"

        pem = theirs.certificate.read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
        expected = ssl.PEM_cert_to_DER_cert(pem)
        assert [presented.certificate for presented in served.authenticator.presented] == [expected, expected]
