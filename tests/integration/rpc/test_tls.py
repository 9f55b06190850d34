"""Both ports with TLS: which clients are served, and that a renewed certificate needs no restart."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from flyteidl.admin import project_pb2
from flyteidl.service import admin_pb2, admin_pb2_grpc
from flytekit.clients.raw import RawSynchronousFlyteClient
from flytekit.configuration import PlatformConfig

from flytetemporal.cli.dev import ports
from flytetemporal.cli.serving import http_port
from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import InvalidRequest, Unavailable
from flytetemporal.rpc import client, gateway, methods, server
from flytetemporal.rpc.tls import ClientFiles, ServerFiles
from tests.fixtures.certificates import Authority, Issued

ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
LIST = project_pb2.ProjectListRequest(limit=1)


async def list_projects(_: None, __: project_pb2.ProjectListRequest) -> project_pb2.Projects:
    return project_pb2.Projects(token="served")


@dataclass(frozen=True)
class Installation:
    """A server with TLS; ``stranger`` is an authority that it does not trust, and that its clients do not either."""

    settings: AdminSettings
    authority: Authority
    stranger: Authority
    own: Issued
    folder: Path

    @property
    def endpoint(self) -> str:
        return f"localhost:{self.settings.grpc_port}"

    @property
    def url(self) -> str:
        return f"https://localhost:{self.settings.http_port}/api/v1/projects"

    def issued(self, authority: Authority, name: str) -> Issued:
        return authority.issue(Issued(self.folder / f"{name}.crt", self.folder / f"{name}.key"), name)

    async def call(self, files: ClientFiles | None) -> str:
        """Return what a new connection to the gRPC port is answered."""
        async with client.channel(self.endpoint, files) as channel:
            stub: Any = admin_pb2_grpc.AdminServiceStub(channel)
            return str((await stub.ListProjects(LIST, timeout=10)).token)

    def serial_numbers(self) -> set[int]:
        """Return those of the certificates that both ports show to a new connection."""
        found = set()
        for port in (self.settings.grpc_port, self.settings.http_port):
            context = ssl.create_default_context(cafile=str(self.authority.path))
            context.set_alpn_protocols(["h2", "http/1.1"])
            with (
                socket.create_connection(("127.0.0.1", port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as connection,
            ):
                shown: Any = connection.getpeercert()
                found.add(int(shown["serialNumber"], 16))
        return found


def installation(folder: Path, *, mutual: bool) -> Installation:
    authority, stranger = Authority(folder, "authority"), Authority(folder, "stranger")
    own = authority.issue(Issued(folder / "own.crt", folder / "own.key"), "localhost", "127.0.0.1")
    settings = AdminSettings(
        grpc_port=ports.free(),
        http_port=ports.free(),
        tls_certificate=str(own.certificate),
        tls_key=str(own.key),
        tls_client_ca=str(authority.path) if mutual else "",
    )
    return Installation(settings, authority, stranger, own, folder)


@contextlib.asynccontextmanager
async def serving(installed: Installation) -> AsyncIterator[Installation]:
    functions: dict[str, methods.Function[None]] = {"ListProjects": list_projects}
    bound = methods.bind(ADMIN, functions, None, unserved=ADMIN.methods_by_name.keys() - functions.keys())
    grpc_server = server.grpc_server(bound, installed.settings)
    await grpc_server.start()
    async with http_port.serving(gateway.http_app(bound, installed.settings), installed.settings):
        yield installed
    await grpc_server.stop(0)


@pytest.fixture
async def encrypted(tmp_path: Path) -> AsyncIterator[Installation]:
    async with serving(installation(tmp_path, mutual=False)) as installed:
        yield installed


@pytest.fixture
async def mutual(tmp_path: Path) -> AsyncIterator[Installation]:
    async with serving(installation(tmp_path, mutual=True)) as installed:
        yield installed


async def get(installed: Installation, authority: Authority, own: Issued | None = None) -> str:
    """Return what a new connection to the HTTP port is answered."""
    context = ssl.create_default_context(cafile=str(authority.path))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    async with httpx.AsyncClient(verify=context) as http:
        return str((await http.get(installed.url)).json()["token"])


async def test_clients_that_trust_the_authority_are_served_on_both_ports(encrypted: Installation) -> None:
    assert await encrypted.call(ClientFiles(str(encrypted.authority.path))) == "served"
    assert await get(encrypted, encrypted.authority) == "served"


async def test_stock_flytekit_is_served(encrypted: Installation) -> None:
    config = PlatformConfig(
        endpoint=encrypted.endpoint, insecure=False, ca_cert_file_path=str(encrypted.authority.path)
    )

    def ask() -> str:
        return str(RawSynchronousFlyteClient(config).list_projects(LIST).token)

    assert await asyncio.to_thread(ask) == "served"


async def test_clients_that_trust_another_authority_do_not_connect(encrypted: Installation) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await encrypted.call(ClientFiles(str(encrypted.stranger.path)))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE

    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        await get(encrypted, encrypted.stranger)


async def test_clients_without_tls_are_not_served(encrypted: Installation) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await encrypted.call(None)

    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.HTTPError):
            await http.get(encrypted.url.replace("https", "http"))


async def test_a_renewed_certificate_is_shown_to_new_connections_and_open_ones_go_on(encrypted: Installation) -> None:
    trusted = ClientFiles(str(encrypted.authority.path))
    async with client.channel(encrypted.endpoint, trusted) as channel:
        stub: Any = admin_pb2_grpc.AdminServiceStub(channel)
        assert (await stub.ListProjects(LIST)).token == "served"
        before = await asyncio.to_thread(encrypted.serial_numbers)

        encrypted.authority.issue(encrypted.own, "localhost", "127.0.0.1")

        after = await asyncio.to_thread(encrypted.serial_numbers)
        assert len(before) == len(after) == 1
        assert before != after
        assert (await stub.ListProjects(LIST)).token == "served"
        assert await get(encrypted, encrypted.authority) == "served"


async def test_files_that_do_not_fit_together_are_not_used(encrypted: Installation) -> None:
    before = await asyncio.to_thread(encrypted.serial_numbers)
    key = encrypted.own.key.read_bytes()

    encrypted.own.key.write_text("half of a key")

    assert await asyncio.to_thread(encrypted.serial_numbers) == before
    encrypted.own.key.write_bytes(key)
    encrypted.own.certificate.unlink()
    assert await asyncio.to_thread(encrypted.serial_numbers) == before


async def test_with_an_authority_of_clients_only_those_it_signed_are_served(mutual: Installation) -> None:
    known, unknown = mutual.issued(mutual.authority, "worker"), mutual.issued(mutual.stranger, "intruder")
    trusted = str(mutual.authority.path)

    assert await mutual.call(ClientFiles(trusted, str(known.certificate), str(known.key))) == "served"
    assert await get(mutual, mutual.authority, known) == "served"
    for files in (ClientFiles(trusted), ClientFiles(trusted, str(unknown.certificate), str(unknown.key))):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mutual.call(files)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    for own in (None, unknown):
        with pytest.raises((httpx.HTTPError, ssl.SSLError)):
            await get(mutual, mutual.authority, own)


async def test_the_client_of_workers_says_that_admin_does_not_answer(encrypted: Installation) -> None:
    caller = client.Client(encrypted.endpoint, ClientFiles(str(encrypted.stranger.path)))
    list_all = caller.method("/flyteidl.service.AdminService/ListProjects", project_pb2.Projects)

    with pytest.raises(Unavailable):
        await list_all(LIST)
    await caller.close()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"tls_key": ""}, "set together"),
        ({"tls_certificate": "", "tls_key": "", "tls_client_ca": "/ca.pem"}, "needs FLYTETEMPORAL_ADMIN__TLS_CERTIFI"),
        ({"tls_certificate": "/none.pem"}, "none.pem"),
        ({"tls_client_ca": "/none.pem"}, "none.pem"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, changes: dict[str, str], text: str) -> None:
    settings = installation(tmp_path, mutual=False).settings.model_copy(update=changes)

    with pytest.raises(InvalidRequest, match=text):
        ServerFiles.of(settings)


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    installed = installation(tmp_path, mutual=False)
    other = installed.issued(installed.authority, "other")

    with pytest.raises(InvalidRequest, match="cannot be used"):
        ServerFiles.of(installed.settings.model_copy(update={"tls_key": str(other.key)}))


def test_a_client_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="set together"):
        ClientFiles(certificate="/c.pem").credentials()
