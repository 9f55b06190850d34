"""``flytetemporal admin``: one process of the control plane, which serves Flyte's API."""

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
from flytetemporal.cli.serving import privacy
from flytetemporal.cli.serving.notifications import notify
from flytetemporal.cli.serving.signals import run_until_signalled
from flytetemporal.cli.wiring import configuration, control_plane, control_workers
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
    privacy.hide_memory()
    settings = configuration.load()
    run_until_signalled(lambda stop: serve(settings, stop, migrate=migrate, control_worker=control_worker))


async def serve(settings: Settings, stop: asyncio.Event, *, migrate: bool, control_worker: bool) -> None:
    """Serve until ``stop`` is set; then give open calls ``DRAIN_SECONDS`` to finish."""
    notify("waiting for Postgres and Temporal")
    async with control_plane.dependencies(settings, migrate=migrate) as deps:
        notify("registering projects")
        await projects.register_defaults(deps)
        links = control_plane.signer(deps)
        methods = control_plane.methods(deps, links)
        grpc_server = server.grpc_server(methods, settings.admin)
        app = gateway.http_app(methods, settings.admin, control_plane.routes(deps, settings, links))
        await grpc_server.start()
        async with _http(app, settings.admin), _control(deps, settings, run=control_worker):
            notify("serving", ready=True)
            await stop.wait()
            notify("stopping")
            await grpc_server.stop(DRAIN_SECONDS)


class _HttpServer(uvicorn.Server):
    """A uvicorn server that leaves the signal handlers of the process in place."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: ``run_until_signalled`` has its own."""
        yield


@contextlib.asynccontextmanager
async def _http(app: ASGIApp, settings: AdminSettings) -> AsyncIterator[None]:
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=int(DRAIN_SECONDS))
    http_server = _HttpServer(config)
    # Bound here, so that the port accepts connections before this process reports that it is ready.
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
