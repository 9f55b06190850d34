"""The grpc.aio server of the method registry, with health and reflection."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import InvalidRequest, Unavailable
from flytetemporal.rpc import callers, invocation, reflection
from flytetemporal.rpc.callers import OPEN, Guard
from flytetemporal.rpc.methods import Method
from flytetemporal.rpc.tls import ServerFiles

HEALTH_NAMES = ("", "flyteadmin")
# flytekit sends keepalive pings every 30 seconds. By default a gRPC server would close the connection after some
# ("too many pings").
OPTIONS = (
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # With SO_REUSEPORT two admins could share a port by mistake, each with a part of the calls.
    ("grpc.so_reuseport", 0),
)


def grpc_server(methods: Sequence[Method], settings: AdminSettings, guard: Guard = OPEN) -> grpc.aio.Server:
    """Return a server that is bound to the configured host and port, but not started.

    Health and reflection are served to everybody, like in Flyte.

    Raises:
        InvalidRequest: the TLS files are unusable.
        Unavailable: the port is in use or not allowed.
    """
    limit = settings.max_message_bytes
    server: grpc.aio.Server = grpc.aio.server(
        maximum_concurrent_rpcs=settings.max_concurrent_calls,
        options=[*OPTIONS, ("grpc.max_receive_message_length", limit), ("grpc.max_send_message_length", -1)],
    )
    by_service: dict[str, dict[str, grpc.RpcMethodHandler]] = defaultdict(dict)
    for method in methods:
        by_service[method.service][method.name] = _handler(method, guard)
    server.add_generic_rpc_handlers(
        tuple(grpc.method_handlers_generic_handler(name, handlers) for name, handlers in by_service.items())
    )
    checks = health.aio.HealthServicer()  # type: ignore[attr-defined]  # re-exported without a mark
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    for name in HEALTH_NAMES:
        checks._server_status[name] = health_pb2.HealthCheckResponse.SERVING  # noqa: SLF001  its setter is a coroutine
    server.add_generic_rpc_handlers(reflection.handlers((*by_service, health.SERVICE_NAME)))
    address = f"{settings.host}:{settings.grpc_port}"
    files = ServerFiles.of(settings)
    try:
        if files is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, files.credentials())
    except RuntimeError as e:
        raise Unavailable(
            f"cannot listen on {address}: the port is in use or needs privileges; set FLYTETEMPORAL_ADMIN__GRPC_PORT"
        ) from e
    return server


def _handler(method: Method, guard: Guard) -> grpc.RpcMethodHandler:
    # No deserializer is passed: if one fails, gRPC answers INTERNAL, but a malformed request is INVALID_ARGUMENT.
    handler: grpc.RpcMethodHandler = grpc.unary_unary_rpc_method_handler(_behaviour(method, guard))
    return handler


def _behaviour(method: Method, guard: Guard) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def behaviour(data: bytes, context: Any) -> bytes:
        try:
            request = _decoded(method, data)
            response = await invocation.invoke(method, request, callers.of_grpc(context), guard)
        except invocation.Refused as refused:
            await context.abort_with_status(rpc_status.to_status(refused.answer))
            raise
        except InvalidRequest as e:
            await context.abort_with_status(rpc_status.to_status(invocation.refusal("grpc", e)))
            raise
        return response.SerializeToString()

    return behaviour


def _decoded(method: Method, data: bytes) -> Message:
    request = method.request()
    invocation.merge_binary(data, request, "request")
    return request
