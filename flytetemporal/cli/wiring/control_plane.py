"""The objects of a control plane, built from settings."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from types import ModuleType

import structlog
from flyteidl.cacheservice import cacheservice_pb2
from flyteidl.datacatalog import datacatalog_pb2
from flyteidl.service import admin_pb2, auth_pb2, dataproxy_pb2, identity_pb2, signal_pb2
from google.protobuf.descriptor import ServiceDescriptor
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import Route

from flytetemporal.admin import identity, service
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.engine import Engine
from flytetemporal.admin.base.temporal_schedules import TemporalSchedules
from flytetemporal.admin.control import cache_scopes
from flytetemporal.admin.dataproxy import files
from flytetemporal.admin.dataproxy.links import DataProxy
from flytetemporal.admin.firing import webhooks
from flytetemporal.catalog import service as catalog_service
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.cli.serving.readiness import wait_until_ready
from flytetemporal.cli.wiring import connections, console_links, search_attributes
from flytetemporal.cli.wiring.sign_in import guards, own_server
from flytetemporal.cli.wiring.sign_in.oidc import OpenIdSignIn
from flytetemporal.cli.wiring.sign_in.own_server import OwnSignIn
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.settings import Settings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.contracts.v1 import access_pb2, cache_operations_pb2, events_pb2, operations_pb2
from flytetemporal.db import migrate as migrations
from flytetemporal.db import session
from flytetemporal.errors import Unavailable
from flytetemporal.rpc import codec_endpoint
from flytetemporal.rpc.methods import Method, bind, refuse
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import Signer

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def dependencies(settings: Settings, *, migrate: bool) -> AsyncIterator[Dependencies]:
    """Connect to Postgres and Temporal, and disconnect at the end. Waits until both answer.

    Raises:
        CommandError: Temporal's namespace lacks search attributes, and this process may not register them.
    """
    engine, sessions = session.open(settings.database)
    try:
        schema = _migrated(settings) if migrate else _answering(engine)
        # Not a TaskGroup, whose ExceptionGroup would hide the server that does not answer. The command ends with the
        # error, and the end of the event loop cancels the other wait.
        client, _ = await asyncio.gather(connections.temporal(settings.temporal), schema)
        await search_attributes.register(client, settings.temporal)
        yield Dependencies(
            sessions=sessions,
            blobs=_store(settings.storage),
            engine=Engine(client, settings.temporal.cluster, eager=settings.temporal.in_process_worker),
            schedules=TemporalSchedules(client),
            settings=settings.admin,
            storage=settings.storage,
            notifications=settings.notifications,
            triggers=settings.triggers,
            events=settings.events,
            auth=settings.auth,
            policies=guards.policies(settings.auth),
            task_tokens=own_server.task_tokens(settings, sessions),
        )
    finally:
        await engine.dispose()


def signer(deps: Dependencies) -> Signer:
    """Return the signer of links to objects of the store."""
    local = deps.blobs.local_path(deps.blobs.root) is not None
    return Signer(deps.blobs, _signing_key(deps.storage, local=local), deps.settings.public_url)


@contextlib.asynccontextmanager
async def catalog(settings: Settings, *, migrate: bool) -> AsyncIterator[Catalog]:
    """Connect to Postgres for the catalog alone, and disconnect at the end. Waits until Postgres answers."""
    engine, sessions = session.open(settings.database)
    try:
        await (_migrated(settings, migrations.CATALOG) if migrate else _answering(engine))
        yield Catalog(sessions, _store(settings.storage), settings.catalog)
    finally:
        await engine.dispose()


def catalog_of(deps: Dependencies, settings: CatalogSettings) -> Catalog:
    """Return the catalog that admin serves: in its database and its store."""
    return Catalog(deps.sessions, deps.blobs, settings, functools.partial(cache_scopes.check, deps))


def methods(deps: Dependencies, links: Signer, entries: Catalog, sign_in: OwnSignIn | None = None) -> list[Method]:
    """Return every method that admin serves.

    Raises:
        TypeError: a table of functions does not fit its service.
    """
    return [
        *bind(_service(admin_pb2, "AdminService"), service.ADMIN, deps),
        *bind(_service(signal_pb2, "SignalService"), service.SIGNALS, deps),
        *bind(_service(dataproxy_pb2, "DataProxyService"), service.DATA_PROXY, DataProxy(deps, links)),
        *bind(_service(identity_pb2, "IdentityService"), service.IDENTITY, None),
        *(
            sign_in.methods()
            if sign_in and sign_in.server
            else refuse(_service(auth_pb2, "AuthMetadataService"), identity.NO_AUTHENTICATION)
        ),
        *bind(_service(events_pb2, "EventService"), service.EVENTS, deps),
        *bind(_service(operations_pb2, "OperationsService"), service.OPERATIONS, deps),
        *bind(_service(access_pb2, "AccessService"), service.ACCESS, deps),
        *catalog_methods(entries),
    ]


def catalog_methods(entries: Catalog) -> list[Method]:
    """Return the methods of the catalog, which ``flytetemporal catalog`` serves alone."""
    return [
        *bind(_service(datacatalog_pb2, "DataCatalog"), catalog_service.DATA_CATALOG, entries),
        *bind(_service(cacheservice_pb2, "CacheService"), catalog_service.CACHE, entries),
        *bind(_service(cache_operations_pb2, "CacheOperationsService"), catalog_service.CACHE_OPERATIONS, entries),
    ]


def _service(module: ModuleType, name: str) -> ServiceDescriptor:
    services: Mapping[str, ServiceDescriptor] = module.DESCRIPTOR.services_by_name
    return services[name]


def routes(
    deps: Dependencies,
    settings: Settings,
    links: Signer,
    sign_in: OwnSignIn | None = None,
    openid: OpenIdSignIn | None = None,
) -> Sequence[Route]:
    """Return the routes that the HTTP port serves next to the methods."""
    transfers = files.routes(deps.blobs, links, settings.admin.body_timeout)
    return [
        *transfers,
        *console_links.routes(settings.temporal),
        *_codec_endpoint(settings),
        *webhooks.routes(deps),
        *(sign_in.routes(openid.browsers if openid else None) if sign_in else []),
        *(openid.routes() if openid else []),
    ]


def _codec_endpoint(settings: Settings) -> Sequence[Route]:
    if not settings.temporal.encryption_keys:
        return []
    codec = connections.data_converter(settings.temporal).payload_codec
    return codec_endpoint.routes(codec, settings.admin) if codec is not None else []


def _store(settings: StorageSettings) -> BlobStore:
    return BlobStore(
        settings.root, settings.options, confined_to=(settings.raw_output_prefix, *settings.readable_prefixes)
    )


async def _migrated(settings: Settings, target: str = migrations.ALL) -> None:
    url = settings.database.url.get_secret_value()
    await wait_until_ready("postgres", lambda: asyncio.to_thread(migrations.upgrade, url, target), OperationalError)


async def _answering(engine: AsyncEngine) -> None:
    async def ask() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("select 1"))

    # Sessions and engines of ours translate the driver's error.
    await wait_until_ready("postgres", ask, OperationalError, Unavailable)


def _signing_key(settings: StorageSettings, *, local: bool) -> bytes:
    key = settings.signing_key.get_secret_value().encode()
    if key or not local:
        return key
    # With an empty key anyone could sign links. With a random key links end with this process, and replicas do not
    # accept the links of each other.
    _log.warning("signing_key_made_up", hint="set FLYTETEMPORAL_STORAGE__SIGNING_KEY, or links end with this process")
    return secrets.token_bytes(32)
