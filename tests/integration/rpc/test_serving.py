"""Two functions behind a real gRPC server and the HTTP app."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import pytest
from flyteidl.admin import execution_pb2, project_pb2
from flyteidl.service import admin_pb2, admin_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from flytetemporal.cli.dev import ports
from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import NotFound
from flytetemporal.rpc import gateway, methods, reflection, server

ADMIN = admin_pb2.DESCRIPTOR.services_by_name["AdminService"]


async def get_execution(_: None, request: execution_pb2.WorkflowExecutionGetRequest) -> execution_pb2.Execution:
    if request.id.name == "nosuch":
        raise NotFound("missing entity")
    if request.id.name == "broken":
        raise KeyError("a defect")
    return execution_pb2.Execution(id=request.id)


async def register_project(_: None, __: project_pb2.ProjectRegisterRequest) -> project_pb2.ProjectRegisterResponse:
    return project_pb2.ProjectRegisterResponse()


FUNCTIONS: Mapping[str, methods.Function[None]] = {
    "GetExecution": get_execution,
    "RegisterProject": register_project,
}


@dataclass(frozen=True)
class Served:
    channel: grpc.aio.Channel
    http: httpx.AsyncClient

    @property
    def admin(self) -> Any:
        return admin_pb2_grpc.AdminServiceStub(self.channel)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    settings = AdminSettings(grpc_port=ports.free(), max_message_bytes=100_000)
    bound = methods.bind(ADMIN, FUNCTIONS, None, unserved=ADMIN.methods_by_name.keys() - FUNCTIONS.keys())
    grpc_server = server.grpc_server(bound, settings)
    await grpc_server.start()
    transport = httpx.ASGITransport(gateway.http_app(bound, settings))
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{settings.grpc_port}") as channel,
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as http,
    ):
        yield Served(channel, http)
    await grpc_server.stop(0)


def get(name: str) -> execution_pb2.WorkflowExecutionGetRequest:
    request = execution_pb2.WorkflowExecutionGetRequest()
    request.id.name = name
    return request


async def test_grpc_reaches_the_handler(served: Served) -> None:
    assert (await served.admin.GetExecution(get("x"))).id.name == "x"


@pytest.mark.parametrize(
    ("name", "code"), [("nosuch", grpc.StatusCode.NOT_FOUND), ("broken", grpc.StatusCode.INTERNAL)]
)
async def test_errors_become_their_status(served: Served, name: str, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.admin.GetExecution(get(name))

    assert raised.value.code() is code
    assert "defect" not in str(raised.value.details())


async def test_a_method_that_is_not_served_is_unimplemented_by_name(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.admin.GetTask(execution_pb2.WorkflowExecutionGetRequest())

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "GetTask" in str(raised.value.details())


async def test_a_message_that_does_not_parse_is_the_callers_fault(served: Served) -> None:
    call: Any = served.channel.unary_unary("/flyteidl.service.AdminService/GetExecution")

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call(b"\xff\xff")

    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_message_over_the_limit_is_refused(served: Served) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.admin.GetExecution(get("x" * 200_000))

    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("name", server.HEALTH_NAMES)
async def test_health_is_serving(served: Served, name: str) -> None:
    stub = health_pb2_grpc.HealthStub(served.channel)

    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_http_answers_in_the_encoding_that_was_asked_for(served: Served) -> None:
    as_json = await served.http.get("/api/v1/executions/p/d/x")
    as_protobuf = await served.http.get("/api/v1/executions/p/d/x", headers={"Accept": "application/octet-stream"})

    assert as_json.json()["id"] == {"project": "p", "domain": "d", "name": "x", "org": ""}
    assert execution_pb2.Execution.FromString(as_protobuf.content).id.name == "x"


async def test_http_errors_are_a_status_message(served: Served) -> None:
    answer = await served.http.get("/api/v1/executions/p/d/nosuch")

    assert (answer.status_code, answer.json()) == (404, {"code": 5, "message": "missing entity", "details": []})


@pytest.mark.parametrize(
    ("verb", "path", "status"), [("GET", "/api/v1/nosuch", 404), ("PATCH", "/api/v1/projects", 501), ("GET", "/", 404)]
)
async def test_paths_and_verbs_without_a_method(served: Served, verb: str, path: str, status: int) -> None:
    assert (await served.http.request(verb, path)).status_code == status


async def test_a_post_without_a_body_is_an_empty_message(served: Served) -> None:
    assert (await served.http.post("/api/v1/projects")).status_code == 200


async def test_metrics_count_the_calls(served: Served) -> None:
    await served.http.get("/api/v1/executions/p/d/nosuch")

    text = (await served.http.get("/metrics")).text

    assert 'flytetemporal_rpc_calls_total{code="NOT_FOUND",method="GetExecution",transport="http"}' in text


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 20_000,
        b'{"project":' * 5_000,
        b'{"project": {"id": ' + b"1" * 10_000 + b"}}",
        b'{"project": {"id": "\\ud800"}}',
        b"\xff\xfe",
        b'{"project": {"state": 10000000000000000000000}}',
        b'{"project": {"labels": {"values": {"a": NaN}}}}',
    ],
    ids=lambda body: body[:20].decode(errors="replace"),
)
async def test_a_body_that_no_parser_takes_is_the_callers_fault(served: Served, body: bytes) -> None:
    answer = await served.http.post("/api/v1/projects", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 400
    assert len(answer.json()["message"]) < 1000


async def test_a_body_over_the_limit_is_not_read_to_its_end(served: Served) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 10_000
            yield b" " * 10_000

    answer = await served.http.post("/api/v1/projects", content=endless(), headers={"content-type": "application/json"})

    assert answer.status_code == 413
    assert "FLYTETEMPORAL_ADMIN__MAX_MESSAGE_BYTES" in answer.json()["message"]
    assert read < 200_000


@pytest.mark.parametrize("length", ["100001", "9" * 30])
async def test_a_body_that_says_it_is_over_the_limit_is_not_read_at_all(served: Served, length: str) -> None:
    async def never() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    headers = {"content-type": "application/json", "content-length": length}
    answer = await served.http.post("/api/v1/projects", content=never(), headers=headers)

    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_content_types_that_pages_may_send_unasked_are_refused(served: Served, kind: str) -> None:
    answer = await served.http.post("/api/v1/projects", content=b"{}", headers={"content-type": kind} if kind else {})

    assert answer.status_code == 415


async def test_a_content_type_may_have_parameters(served: Served) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}

    assert (await served.http.post("/api/v1/projects", content=b"{}", headers=headers)).status_code == 200


async def test_a_message_that_json_could_not_show_is_refused_over_grpc(served: Served) -> None:
    request = project_pb2.ProjectRegisterRequest()
    request.project.state = 99  # type: ignore[assignment]

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.admin.RegisterProject(request)

    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "99 is not a value of" in str(refused.value.details())


@pytest.mark.parametrize("service", reflection.SERVICE_NAMES)
@pytest.mark.parametrize(
    ("symbol", "found"),
    [
        ("flyteidl.service.AdminService", True),
        ("flyteidl.service.AdminService.GetExecution", True),
        ("flyteidl.service.AdminService.Nosuch", False),
        ("flyteidl.admin.Execution", True),
        ("flyteidl.admin.Nosuch", False),
    ],
)
async def test_reflection_describes_services_messages_and_methods(
    served: Served, service: str, symbol: str, found: bool
) -> None:
    call = served.channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol),
    ]

    listed, described = [answer async for answer in call(iter(requests))]

    services = {one.name for one in listed.list_services_response.service}
    assert {"flyteidl.service.AdminService", *reflection.SERVICE_NAMES} <= services
    assert described.HasField("file_descriptor_response" if found else "error_response")
