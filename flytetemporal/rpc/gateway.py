"""The HTTP gateway: serves the methods of the registry at their google.api.http routes, as JSON or protobuf.

It follows Flyte's gateway: the exact value of ``Accept``, or else of ``Content-Type``, selects the encoding of the
response. Errors are a ``google.rpc.Status`` in the same encoding.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as StarletteRoute

from flytetemporal.config.admin import AdminSettings
from flytetemporal.errors import PermissionDenied, QuotaExceeded, Unauthenticated
from flytetemporal.rpc import bodies, browsers, callers, invocation, json_form, openapi, status, transcoding
from flytetemporal.rpc.bodies import JSON, PROTOBUF, Bodies
from flytetemporal.rpc.callers import OPEN, Guard
from flytetemporal.rpc.methods import Method
from flytetemporal.rpc.transcoding import Route

# The sentence that says why is in the body. flyteadmin sends it here, too, but it is no challenge as HTTP defines it.
CHALLENGE = 'Bearer realm="flyte"'
VERBS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"]


def http_app(
    methods: Sequence[Method],
    settings: AdminSettings,
    extra_routes: Sequence[StarletteRoute] = (),
    guard: Guard = OPEN,
) -> Starlette:
    """Return the ASGI application of admin's HTTP port; ``extra_routes`` take precedence over the methods."""
    gateway = Gateway(methods, settings, guard)
    description = openapi.document(gateway.routes)
    app = Starlette(
        routes=[
            StarletteRoute("/healthcheck", _health),
            StarletteRoute("/healthz", _health),
            StarletteRoute("/metrics", _metrics),
            StarletteRoute("/api/v1/openapi", _fixed(description)),
            *(_guarded(route, guard) for route in extra_routes),
            StarletteRoute("/{path:path}", gateway.handle, methods=VERBS),
        ]
    )
    browsers.protect(app, settings)
    return app


class Gateway:
    """Finds the method of a request, decodes the request, invokes the method, encodes the response."""

    def __init__(self, methods: Sequence[Method], settings: AdminSettings, guard: Guard) -> None:
        self._guard = guard
        self._bodies = Bodies(settings.max_message_bytes, settings.body_timeout)
        self.routes = transcoding.routes(methods)
        # By verb and number of segments, so that few patterns have to be matched per request.
        self._by_shape: dict[tuple[str, int], list[Route]] = defaultdict(list)
        self._by_length: dict[int, list[Route]] = defaultdict(list)
        for route in self.routes:
            length = route.template.count("/")
            self._by_shape[route.verb, length].append(route)
            self._by_length[length].append(route)

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        encoding = _encoding(request)
        raw_path = request.scope["raw_path"].decode("ascii", "replace").split("?", 1)[0]
        try:
            for route in self._by_shape.get((request.method, raw_path.count("/")), ()):
                variables = route.match(raw_path)
                if variables is not None:
                    message = await self._request_message(request, route, variables)
                    answer = await invocation.invoke(route.method, message, callers.of_http(request), self._guard)
                    return await _answer_off_loop(answer, encoding)
        except invocation.Refused as refused:
            return _refusal(refused.answer, encoding)
        except bodies.Unreadable as e:
            return _answer(e.status, encoding, e.http_status)
        except Exception as e:  # Before the method was called, or while its answer was written.
            return _refusal(invocation.refusal("http", e), encoding)
        if any(route.match(raw_path) is not None for route in self._by_length.get(raw_path.count("/"), ())):
            return _refusal(status_pb2.Status(code=code_pb2.UNIMPLEMENTED, message="Method Not Allowed"), encoding)
        return _refusal(status_pb2.Status(code=code_pb2.NOT_FOUND, message="Not Found"), encoding)

    async def _request_message(self, request: Request, route: Route, variables: dict[str, str]) -> Message:
        message = route.method.request()
        if route.body:
            await self._bodies.read(request, message if route.body == "*" else getattr(message, route.body))
        if route.body != "*":
            transcoding.set_query(message, request.query_params.multi_items(), variables)
        for name, value in variables.items():
            transcoding.set_path(message, name, value)
        return message


def _guarded(route: StarletteRoute, guard: Guard) -> StarletteRoute:
    """Return a route that serves only calls which the guard admits."""
    name = callers.route_name(route)

    async def endpoint(request: Request) -> Response:
        try:
            async with guard.admitting_route(name, request.path_params, callers.of_http(request)) as ended:
                answer: Response = await route.endpoint(request)
                ended(answer.status_code)
                return answer
        except (Unauthenticated, PermissionDenied, QuotaExceeded) as e:
            return _refusal(invocation.refusal("http", e), _encoding(request))

    return StarletteRoute(route.path, endpoint, methods=route.methods)


def _encoding(request: Request) -> str:
    for header in ("accept", "content-type"):
        if request.headers.get(header) in (PROTOBUF, JSON):
            return request.headers[header]
    return ""


async def _answer_off_loop(message: Message, encoding: str) -> Response:
    """Encode an answer; a large one in a thread, because a megabyte of JSON takes more than 100 ms."""
    if message.ByteSize() > invocation.MAX_CHECKED_INLINE_BYTES:
        return await asyncio.to_thread(_answer, message, encoding, 200)
    return _answer(message, encoding, 200)


def _answer(message: Message, encoding: str, http_status: int) -> Response:
    if encoding == PROTOBUF:
        return Response(message.SerializeToString(), http_status, media_type=PROTOBUF)
    return Response(json_form.dumps(message, proto_names=encoding == JSON), http_status, media_type=JSON)


def _refusal(answer: status_pb2.Status, encoding: str) -> Response:
    response = _answer(answer, encoding, status.HTTP_STATUS.get(answer.code, 500))
    if answer.code == code_pb2.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = CHALLENGE
    return response


async def _health(_: Request) -> Response:
    return Response()


async def _metrics(_: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _fixed(text: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return PlainTextResponse(text)

    return endpoint
