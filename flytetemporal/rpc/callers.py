"""Who calls: what a request presents as a proof of it, and the guard that decides whether it is served.

What proves an identity, and what an identity may do, is known to ``auth`` only, which is above this package.
"""

import contextlib
import secrets
import ssl
import string
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.routing import Route

from flytetemporal.rpc.methods import Method

AUTHORIZATION = "authorization"
# flyteadmin takes the header by this name, too, and its HTTP gateway by this name only: proxies use the other one.
FLYTE_AUTHORIZATION = "flyte-authorization"
REQUEST_ID = "x-request-id"
# The key in ASGI's state of a connection under which the HTTP port stores the certificate of the client.
CERTIFICATE_STATE = "client_certificate"
MAX_REQUEST_ID_LENGTH = 100

_ALPHABET = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request presents of its caller. ``certificate`` is in DER form and has been verified by TLS."""

    authorization: str = ""
    cookies: Mapping[str, str] = field(default_factory=dict)
    certificate: bytes | None = None
    peer: str = ""
    transport: Literal["grpc", "http"] = "grpc"
    request_id: str = ""
    # The query of the URL, in which no credential may be.
    query: str = ""


Answered = Callable[[Message], None]
"""Told the response of a method, within the context in which it runs."""
Ended = Callable[[int], None]
"""Told the HTTP status of the answer of a route, within the context in which it runs."""


class Guard(Protocol):
    """Decides whether a call is served, for gRPC and HTTP alike."""

    def admitting(
        self, method: Method, request: Message, presented: Presented
    ) -> AbstractAsyncContextManager[Answered]:
        """Return the context in which the method runs; entering it raises if the call is refused.

        Raises:
            Unauthenticated: who calls is not known.
            PermissionDenied: the caller may not do this.
        """
        ...

    def admitting_route(
        self, route: str, parameters: Mapping[str, Any], presented: Presented
    ) -> AbstractAsyncContextManager[Ended]:
        """Return the context in which an HTTP route runs that is no method; like ``admitting``."""
        ...


class _Open:
    """The guard of a server without sign-in, which serves every call."""

    def admitting(self, _: Method, __: Message, ___: Presented) -> AbstractAsyncContextManager[Answered]:
        return contextlib.nullcontext(lambda _: None)

    def admitting_route(self, _: str, __: Mapping[str, Any], ___: Presented) -> AbstractAsyncContextManager[Ended]:
        return contextlib.nullcontext(lambda _: None)


OPEN: Guard = _Open()


def of_grpc(context: Any) -> Presented:
    """Return what a gRPC call presents; ``context`` is that of its servicer."""
    metadata = context.invocation_metadata() or ()
    certificates = context.auth_context().get("x509_pem_cert") or ()
    return Presented(
        authorization=_authorization((key, value) for key, value in metadata if isinstance(value, str)),
        certificate=ssl.PEM_cert_to_DER_cert(certificates[0].decode()) if certificates else None,
        peer=context.peer(),
        transport="grpc",
        request_id=_request_id(next((value for key, value in metadata if key == REQUEST_ID), "")),
    )


def of_http(request: Request) -> Presented:
    """Return what an HTTP request presents."""
    client = request.client
    return Presented(
        authorization=_authorization(request.headers.items()),
        cookies=request.cookies,
        certificate=getattr(request.state, CERTIFICATE_STATE, None),
        peer=f"{client.host}:{client.port}" if client else "",
        transport="http",
        request_id=_request_id(request.headers.get(REQUEST_ID, "")),
        query=request.url.query,
    )


def route_name(route: Route) -> str:
    """Return the name by which a guard knows a route: GET, or else its only verb, and its path."""
    verbs = sorted(route.methods or ())
    return f"{'GET' if 'GET' in verbs else verbs[0]} {route.path}"


def _authorization(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the credential; like in flyteadmin, Flyte's own header replaces the usual one."""
    found = {key: value for key, value in pairs if key in (AUTHORIZATION, FLYTE_AUTHORIZATION)}
    return found.get(FLYTE_AUTHORIZATION) or found.get(AUTHORIZATION, "")


def _request_id(given: str) -> str:
    """Return the id that the client has given the request, or a new one in the form of flyteadmin's."""
    if given and len(given) <= MAX_REQUEST_ID_LENGTH and given.isascii() and given.isprintable():
        return given
    return "a-" + "".join(secrets.choice(_ALPHABET) for _ in range(20))
