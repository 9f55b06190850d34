"""``flytetemporal admin``: one process of the control plane."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import click
import structlog
import uvicorn
from starlette.types import ASGIApp

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.settings import projects
from flytetemporal.cli.wiring import control_plane, control_workers, notify, serving
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.settings import Settings
from flytetemporal.rpc import gateway, server

DRAIN_SECONDS = 5.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@click.command()
@click.option("--migrate", is_flag=True, help="Bring the database's schema up to date first.")
@click.option("--control-worker", is_flag=True, help="Run the control worker in this process, too.")
def admin(*, migrate: bool, control_worker: bool) -> None:
    """Serve Flyte's API over gRPC and HTTP. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables."""
    settings = Settings()
    serving.run(lambda stop: serve(settings, stop, migrate=migrate, control_worker=control_worker))


async def serve(settings: Settings, stop: asyncio.Event, *, migrate: bool, control_worker: bool) -> None:
    """Serve until told to stop; then open calls get their time."""
    notify.tell("waiting for Postgres and Temporal")
    async with control_plane.dependencies(settings, migrate=migrate) as deps:
        notify.tell("registering projects")
        await projects.register_defaults(deps)
        links = control_plane.signer(deps)
        methods = control_plane.methods(deps, links)
        grpc_server = server.grpc_server(methods, settings.admin)
        app = gateway.http_app(methods, settings.admin, control_plane.routes(deps, settings, links))
        await grpc_server.start()
        async with _http(app, settings.admin), _control(deps, settings, run=control_worker):
            notify.tell("serving", ready=True)
            await stop.wait()
            notify.tell("stopping")
            await grpc_server.stop(DRAIN_SECONDS)


class _HttpServer(uvicorn.Server):
    """uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the process's handlers in place."""
        yield


@contextlib.asynccontextmanager
async def _http(app: ASGIApp, settings: AdminSettings) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=int(DRAIN_SECONDS))
    http_server = _HttpServer(config)
    # Bound here, so that the port answers as soon as we say so.
    listener = socket.create_server((settings.host, settings.http_port), backlog=512)
    serving_http = asyncio.create_task(http_server.serve(sockets=[listener]))
    try:
        yield
    finally:
        http_server.should_exit = True
        await serving_http


@contextlib.asynccontextmanager
async def _control(deps: Dependencies, settings: Settings, *, run: bool) -> AsyncIterator[None]:
    if not run:
        yield
        return
    async with control_workers.control_worker(deps, settings.temporal):
        yield
