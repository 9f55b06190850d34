"""Protect the HTTP port from web pages of other sites.

A browser sends requests to the loopback interface for any page that it shows. Without these checks such a page could
register and launch code on a developer's machine: directly, with a form or ``fetch``, or by DNS rebinding, where the
page's own name resolves to 127.0.0.1 once it has been loaded.

Three checks stop it. The ``Host`` header must name this server. A request that changes something must not come from
a page of another origin. The body of such a request needs a content type that browsers send across origins only after
a preflight (``rpc/gateway``). Pages of the origins in ``admin.cors_origins`` may do everything.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from google.rpc import code_pb2, status_pb2
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from flytetemporal.config.admin import AdminSettings
from flytetemporal.rpc import json_form

ANY = "*"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
# Orchestrators and scrapers send the IP address as host. These paths reveal nothing about executions.
PROBES = ("/healthcheck", "/healthz", "/metrics")


def allowed_hosts(settings: AdminSettings) -> frozenset[str]:
    """Return the allowed names of the ``Host`` header, without ports; ``*`` among them allows all."""
    public = _host(urlsplit(settings.public_url).netloc)
    return frozenset(host.lower() for host in (*LOOPBACK_HOSTS, public, settings.host, *settings.allowed_hosts) if host)


class BrowserGuard:
    """ASGI middleware that refuses requests for other hosts, and changes requested by pages of other origins."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on an allowed request; answer others with 403."""
        problem = self._problem(scope) if scope["type"] == "http" else ""
        if problem:
            await _refusal(problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _problem(self, scope: Scope) -> str:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if scope["path"] not in PROBES and ANY not in self._hosts and _host(host) not in self._hosts:
            return f"host [{host[:200]}] is not served here; add it to FLYTETEMPORAL_ADMIN__ALLOWED_HOSTS"
        if scope["method"] in SAFE_METHODS or ANY in self._origins:
            return ""
        origin = headers.get("origin")
        if origin is None:
            # Browsers that omit Origin still send Sec-Fetch-Site.
            crosses = headers.get("sec-fetch-site") in ("cross-site", "same-site")
            return "a page of another site may not change anything here" if crosses else ""
        if origin in self._origins or urlsplit(origin).netloc.lower() == host.lower():
            return ""
        return f"origin [{origin[:200]}] may not change anything here; add it to FLYTETEMPORAL_ADMIN__CORS_ORIGINS"


def protect(app: Starlette, settings: AdminSettings) -> None:
    """Add the checks to ``app``, and in front of them the CORS headers of the configured origins."""
    origins = frozenset(settings.cors_origins)
    app.add_middleware(BrowserGuard, hosts=allowed_hosts(settings), origins=origins)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=sorted(origins),
        # With credentials and any origin, every page could read everything that the user can.
        allow_credentials=ANY not in origins,
        allow_methods=METHODS,
        allow_headers=[ANY],
    )


def _host(value: str) -> str:
    """Return the name in a Host header or network location, in lower case and without the port."""
    value = value.rpartition("@")[2].lower()
    if value.startswith("["):
        return value.partition("]")[0] + "]"
    return value.partition(":")[0]


def _refusal(problem: str) -> Response:
    answer = status_pb2.Status(code=code_pb2.PERMISSION_DENIED, message=problem)
    return Response(json_form.dumps(answer, proto_names=True), 403, media_type="application/json")
