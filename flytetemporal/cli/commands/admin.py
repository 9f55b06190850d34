"""``flytetemporal admin``: one process of the control plane, which serves Flyte's API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import click
import grpc
import structlog
from starlette.applications import Starlette

from flytetemporal.admin.access.audit import StoredAudit
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.settings import projects
from flytetemporal.cli.serving import http_port, privacy
from flytetemporal.cli.serving.notifications import notify
from flytetemporal.cli.serving.signals import run_until_signalled
from flytetemporal.cli.wiring import configuration, control_plane, control_workers, outbox_metrics, upkeep_loops
from flytetemporal.cli.wiring.sign_in import checks, freshness, guards, oidc, own_server
from flytetemporal.config.settings import Settings
from flytetemporal.rpc import gateway, server

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@click.command()
@click.option("--migrate", is_flag=True, help="Bring the database's schema up to date first.")
@configuration.option
@click.option("--control-worker", is_flag=True, help="Run the control worker in this process, too.")
def admin(config: tuple[str, ...], *, migrate: bool, control_worker: bool) -> None:
    """Serve Flyte's API over gRPC and HTTP. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables and --config."""
    privacy.hide_memory()
    settings = configuration.load(config)
    run_until_signalled(lambda stop: serve(settings, stop, migrate=migrate, control_worker=control_worker))


async def serve(settings: Settings, stop: asyncio.Event, *, migrate: bool, control_worker: bool) -> None:
    """Serve until ``stop`` is set; then give open calls ``http_port.DRAIN_SECONDS`` to finish."""
    notify("waiting for Postgres and Temporal")
    async with control_plane.dependencies(settings, migrate=migrate) as deps:
        notify("registering projects")
        await projects.register_defaults(deps)
        log = StoredAudit(deps.sessions)
        grpc_server, app = _servers(deps, settings, log)
        async with (
            freshness.fresh(deps, log),
            _started(grpc_server),
            http_port.serving(app, settings.admin),
            outbox_metrics.measuring(deps),
            _control(deps, settings, run=control_worker),
        ):
            notify("serving", ready=True)
            await stop.wait()
            notify("stopping")
            await grpc_server.stop(http_port.DRAIN_SECONDS)


def _servers(deps: Dependencies, settings: Settings, log: StoredAudit) -> tuple[grpc.aio.Server, Starlette]:
    links = control_plane.signer(deps)
    checks.check(settings.auth, settings.admin)
    own = own_server.build(settings, deps.sessions)
    openid = oidc.build(settings.auth.oidc, settings.admin.public_url)
    methods = control_plane.methods(deps, links, control_plane.catalog_of(deps, settings.catalog), own)
    routes = control_plane.routes(deps, settings, links, own, openid)
    guards.check(methods, routes)
    guard = guards.guard(settings.auth, deps.policies, deps.keys, log, own, openid)
    grpc_server = server.grpc_server(methods, settings.admin, guard)
    return grpc_server, gateway.http_app(methods, settings.admin, routes, guard)


@contextlib.asynccontextmanager
async def _started(grpc_server: grpc.aio.Server) -> AsyncIterator[None]:
    await grpc_server.start()
    yield


@contextlib.asynccontextmanager
async def _control(deps: Dependencies, settings: Settings, *, run: bool) -> AsyncIterator[None]:
    if not run:
        yield
        return
    async with control_workers.control_worker(deps, settings.temporal, upkeep_loops.loops(deps, settings)):
        yield
