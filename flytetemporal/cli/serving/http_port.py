"""The HTTP port of a server process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

from flytetemporal.cli.serving.slow_clients import TimedProtocol
from flytetemporal.config.admin import AdminSettings
from flytetemporal.rpc.tls import ServerFiles

DRAIN_SECONDS = 5.0


class _HttpServer(uvicorn.Server):
    """A uvicorn server that leaves the signal handlers of the process in place."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: ``run_until_signalled`` has its own."""
        yield


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, settings: AdminSettings) -> AsyncIterator[None]:
    """Serve an application on the configured host and HTTP port; at the end give open requests time to finish.

    Raises:
        InvalidRequest: the TLS files are unusable.
    """
    protocol = type("Protocol", (TimedProtocol,), {"seconds": settings.body_timeout.total_seconds()})
    config = uvicorn.Config(
        app, http=protocol, log_config=None, access_log=False, timeout_graceful_shutdown=int(DRAIN_SECONDS)
    )
    if (files := ServerFiles.of(settings)) is not None:
        config.load()
        config.ssl = files.renewing_context()  # Those of uvicorn's own options would be read once.
    http_server = _HttpServer(config)
    # Bound here, so that the port accepts connections before this process reports that it is ready.
    listener = socket.create_server((settings.host, settings.http_port), backlog=512)
    serving_http = asyncio.create_task(http_server.serve(sockets=[listener]))
    try:
        yield
    finally:
        http_server.should_exit = True
        await serving_http
