"""``flytetemporal doctor``: checks that every server answers and is configured as needed."""

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import click
import grpc
from click.core import ParameterSource
from flyteidl.admin import project_pb2
from flyteidl.service import admin_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from rich.console import Console
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, GetSystemInfoRequest

from flytetemporal.cli import endpoints, printing, problems
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.endpoints import Endpoint
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import control_checks
from flytetemporal.cli.wiring import configuration, connections, search_attributes
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.settings import Settings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.temporal import TemporalSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.rpc import client as admin_client
from flytetemporal.storage.blobs import BlobStore

TIMEOUT_SECONDS = 10.0
# What admin alone can say.
OF_ADMIN = ("Postgres", "admin", "schedules", "loops")
Check = Callable[[], Awaitable[str]]


@click.command()
@click.option(
    "--home",
    "path",
    type=click.Path(path_type=Path),
    default=state_folder.default_path,
    help="State folder; default: also the one whose configuration file FLYTECTL_CONFIG names.",
    show_default=True,
)
@click.pass_context
def doctor(context: click.Context, path: Path) -> None:
    """Check the servers of the stack running on the state folder, else those that the environment configures.

    If it configures none, the admin is checked that pyflyte and flytectl call: see ~/.flyte/config.yaml.
    """
    named = context.get_parameter_source("path") is not ParameterSource.DEFAULT
    path, state = endpoints.running_stack(path, named=named)
    if state is None and named:
        raise CommandError(f"no stack runs on {path}: start one with `flytetemporal dev --home {path}`")
    remote = _remote() if state is None else None
    console = Console()
    if state is not None:
        console.print(f"Checking the stack on {path}")
        failed = asyncio.run(_run_checks(_settings_of(state), console, of_stack=True))
    elif remote is not None:
        console.print(f"Checking admin at {remote.target}, which {endpoints.configuration_path()} names")
        failed = asyncio.run(_run_checks(_settings_of_remote(remote), console, of_stack=True, only=OF_ADMIN))
    else:
        console.print("Checking the configured servers")
        failed = asyncio.run(_run_checks(configuration.load(), console, of_stack=False))
    if failed:
        raise CommandError(f"{printing.number(failed, 'check')} failed")


def _remote() -> Endpoint | None:
    """Return the admin that clients of Flyte call, unless the environment configures servers; None if there is none."""
    if any(name.startswith(configuration.PREFIX) for name in os.environ):
        return None
    return endpoints.configured()


def _settings_of_remote(endpoint: Endpoint) -> Settings:
    authority = str(Path(endpoint.ca_certificate).expanduser()) if endpoint.secure and endpoint.ca_certificate else ""
    worker = WorkerSettings(admin_endpoint=endpoint.target, admin_tls=endpoint.secure, admin_ca=authority)
    return Settings(worker=worker)


def _settings_of(state: dict[str, Any]) -> Settings:
    """Return settings for the servers of a running development stack."""
    return Settings(
        storage=StorageSettings(root=state["store"]),
        temporal=TemporalSettings(address=state["temporal_address"], namespace=state["temporal_namespace"]),
        worker=WorkerSettings(admin_endpoint=state["grpc_endpoint"], admin_url=state["http_url"]),
    )


async def _run_checks(settings: Settings, console: Console, *, of_stack: bool, only: Collection[str] = ()) -> int:
    checks: dict[str, Check] = {
        # Only admin knows the password of a development stack.
        "Postgres": lambda: _rows(settings.worker) if of_stack else _postgres(settings.database),
        "Temporal": lambda: _temporal(settings.temporal),
        "object store": lambda: _store(settings.storage),
        "admin": lambda: _admin(settings.worker),
        "schedules": lambda: _asked(settings.worker, control_checks.schedules),
        "loops": lambda: _asked(settings.worker, control_checks.loops),
    }
    admin = f"admin at {settings.worker.admin_endpoint}"
    addresses = {
        "Postgres": admin if of_stack else "Postgres",
        "Temporal": f"Temporal at {settings.temporal.address}, namespace {settings.temporal.namespace},",
        **dict.fromkeys(("admin", "schedules", "loops"), admin),
    }
    failed = 0
    for name, check in checks.items():
        if only and name not in only:
            continue
        started = time.perf_counter()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                finding = await check()
        except Exception as e:
            failed += 1
            reason = problems.answer(addresses.get(name, name), e)
            console.print(f"[red]✗[/red] {name}: {reason}", highlight=False)
        else:
            milliseconds = (time.perf_counter() - started) * 1000
            console.print(f"[green]✓[/green] {name}: {finding} ({milliseconds:.0f} ms)", highlight=False)
    return failed


async def _postgres(settings: DatabaseSettings) -> str:
    engine = create_async_engine(settings.url.get_secret_value())
    try:
        async with engine.connect() as connection:
            version = (await connection.execute(text("show server_version"))).scalar_one()
            # A database with admin's tables and the catalog's has a revision of each.
            query = text("select version_num from alembic_version order by version_num")
            schema = " and ".join((await connection.execute(query)).scalars())
    finally:
        await engine.dispose()
    return f"version {version}, schema {schema}"


async def _rows(settings: WorkerSettings) -> str:
    async with admin_client.channel(settings.admin_endpoint, connections.admin_files(settings)) as channel:
        await admin_pb2_grpc.AdminServiceStub(channel).ListProjects(project_pb2.ProjectListRequest(limit=1))
    return "admin reads rows"


async def _temporal(settings: TemporalSettings) -> str:
    client = await connections.connect(settings)
    info = await client.workflow_service.get_system_info(GetSystemInfoRequest())
    namespace = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=settings.namespace))
    missing = await search_attributes.missing(client, settings)
    if missing:
        raise CommandError(
            f"namespace {settings.namespace} lacks the search attributes {', '.join(missing)}, without which no "
            f"execution starts. Run: {search_attributes.command(missing, settings)}"
        )
    days = namespace.config.workflow_execution_retention_ttl.ToTimedelta().days
    return f"server {info.server_version}, keeps histories for {days} days"


async def _store(settings: StorageSettings) -> str:
    blobs = BlobStore(settings.root, settings.options)
    uri = f"{blobs.root}/doctor/probe"
    written = uuid.uuid4().bytes
    await blobs.write(uri, written)
    if await blobs.read(uri) != written:
        raise CommandError(f"{uri} does not read back as it was written")
    return f"{settings.root} can be written and read"


async def _admin(settings: WorkerSettings) -> str:
    async with admin_client.channel(settings.admin_endpoint, connections.admin_files(settings)) as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise CommandError(f"{settings.admin_endpoint} answers but is not serving")
    return f"{settings.admin_endpoint} serves"


async def _asked(settings: WorkerSettings, check: Callable[[grpc.aio.Channel], Awaitable[str]]) -> str:
    async with admin_client.channel(settings.admin_endpoint, connections.admin_files(settings)) as channel:
        return await check(channel)
