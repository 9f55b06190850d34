"""``flytetemporal catalog``: the catalog alone, for installations whose clients expect it at its own address.

It needs Postgres and the store only. Admin serves the same services, and answers alike if it has the same two.
"""

import asyncio

import click

from flytetemporal.admin.access.audit import LoggedAudit
from flytetemporal.auth.api_keys import ApiKeys
from flytetemporal.cli.serving import http_port, privacy
from flytetemporal.cli.serving.notifications import notify
from flytetemporal.cli.serving.signals import run_until_signalled
from flytetemporal.cli.wiring import cache_expiry, configuration, control_plane
from flytetemporal.cli.wiring.sign_in import checks, guards, oidc
from flytetemporal.config.settings import Settings
from flytetemporal.rpc import gateway, server


@click.command()
@configuration.option
@click.option("--migrate", is_flag=True, help="Bring the catalog's tables up to date first.")
def catalog(config: tuple[str, ...], *, migrate: bool) -> None:
    """Serve the catalog over gRPC and HTTP. Settings come from FLYTETEMPORAL_<PART>__<FIELD> variables and --config."""
    privacy.hide_memory()
    settings = configuration.load(config)
    run_until_signalled(lambda stop: serve(settings, stop, migrate=migrate))


async def serve(settings: Settings, stop: asyncio.Event, *, migrate: bool) -> None:
    """Serve until ``stop`` is set; then give open calls ``http_port.DRAIN_SECONDS`` to finish."""
    notify("waiting for Postgres")
    # Host, sizes and limits are admin's.
    ports = {"grpc_port": settings.catalog.grpc_port, "http_port": settings.catalog.http_port}
    listening = settings.admin.model_copy(update=ports)
    async with control_plane.catalog(settings, migrate=migrate) as deps:
        methods = control_plane.catalog_methods(deps)
        guards.check(methods)
        # Admin's tables may be elsewhere: only the roles of the settings apply, and no API keys.
        checks.check(settings.auth, listening)
        openid = oidc.build(settings.auth.oidc, listening.public_url)
        known = guards.policies(settings.auth)
        guard = guards.guard(settings.auth, known, ApiKeys(), LoggedAudit(), openid=openid)
        grpc_server = server.grpc_server(methods, listening, guard)
        await grpc_server.start()
        async with (
            http_port.serving(gateway.http_app(methods, listening, guard=guard), listening),
            cache_expiry.removing_expired(deps),
        ):
            notify("serving", ready=True)
            await stop.wait()
            notify("stopping")
            await grpc_server.stop(http_port.DRAIN_SECONDS)
