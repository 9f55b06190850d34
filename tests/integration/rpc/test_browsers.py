"""What web pages can do with the HTTP port: nothing, unless their origin is allowed."""

import httpx
import pytest
from flyteidl.admin import project_pb2
from flyteidl.service import admin_pb2

from flytetemporal.config.admin import AdminSettings
from flytetemporal.rpc import gateway, methods

CONSOLE = "https://console.example.com"
ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]
JSON = {"content-type": "application/json"}


class Handlers:
    def __init__(self) -> None:
        self.registered = 0

    async def register_project(self, _: project_pb2.ProjectRegisterRequest) -> project_pb2.ProjectRegisterResponse:
        self.registered += 1
        return project_pb2.ProjectRegisterResponse()


class Server:
    def __init__(self, **settings: object) -> None:
        self.handlers = Handlers()
        functions = {"RegisterProject": Handlers.register_project}
        others = ADMIN.methods_by_name.keys() - functions.keys()
        bound = methods.bind(ADMIN, functions, self.handlers, unserved=others)
        self._app = gateway.http_app(bound, AdminSettings(**settings))  # type: ignore[arg-type]

    async def request(self, verb: str, url: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8088") as client:
            return await client.request(verb, url, headers=headers, content=b"{}" if verb == "POST" else None)


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"host": "evil.example"},
        {"host": "evil.example:8088"},
        {"host": "localhost.evil.example"},
        {"host": ""},
    ],
    ids=str,
)
async def test_a_page_of_another_site_changes_nothing(headers: dict[str, str]) -> None:
    server = Server()

    answer = await server.request("POST", "/api/v1/projects", {**JSON, **headers})

    assert answer.status_code == 403
    assert answer.json()["code"] == 7
    assert server.handlers.registered == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://localhost:8088", "sec-fetch-site": "same-origin"},
        {"host": "127.0.0.1:8088"},
        {"host": "[::1]:8088"},
        {"host": "LOCALHOST"},
        {"host": "flyte.example.com"},
    ],
    ids=str,
)
async def test_clients_and_own_pages_are_served(headers: dict[str, str]) -> None:
    server = Server(public_url="https://flyte.example.com")

    answer = await server.request("POST", "/api/v1/projects", {**JSON, **headers})

    assert answer.status_code == 200


async def test_an_allowed_origin_may_read_and_write_with_credentials() -> None:
    server = Server(cors_origins=(CONSOLE,))
    asked = {"origin": CONSOLE, "access-control-request-method": "DELETE", "access-control-request-headers": "x"}

    preflight = await server.request("OPTIONS", "/api/v1/projects", asked)
    written = await server.request("POST", "/api/v1/projects", {**JSON, "origin": CONSOLE})

    assert preflight.status_code == 200
    assert "DELETE" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "x"
    for answer in (preflight, written):
        assert answer.headers["access-control-allow-origin"] == CONSOLE
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert "Origin" in answer.headers["vary"]
    assert server.handlers.registered == 1


async def test_another_origin_is_given_no_cors_headers() -> None:
    server = Server(cors_origins=(CONSOLE,))

    answer = await server.request("GET", "/api/v1/nosuch", {"origin": "https://evil.example"})

    assert "access-control-allow-origin" not in answer.headers


async def test_any_origin_never_goes_with_credentials() -> None:
    server = Server(cors_origins=("*",))

    answer = await server.request("POST", "/api/v1/projects", {**JSON, "origin": "https://anywhere.example"})

    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


async def test_probes_may_use_any_host() -> None:
    assert (await Server().request("GET", "/healthcheck", {"host": "10.0.0.7:8088"})).status_code == 200
    assert (await Server().request("GET", "/api/v1/nosuch", {"host": "10.0.0.7:8088"})).status_code == 403


async def test_the_host_check_can_be_left_to_a_proxy() -> None:
    server = Server(allowed_hosts=("*",))

    assert (await server.request("GET", "/api/v1/nosuch", {"host": "anything"})).status_code == 404
