"""The process of the catalog: its own database, its own ports, no Temporal."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import grpc
import httpx
import pytest
from flyteidl.cacheservice import cacheservice_pb2 as cs
from flyteidl.cacheservice import cacheservice_pb2_grpc
from flyteidl.datacatalog import datacatalog_pb2 as dc
from flyteidl.datacatalog import datacatalog_pb2_grpc
from pydantic import SecretStr
from sqlalchemy import URL, create_engine, inspect

from flytetemporal.cli.commands import catalog
from flytetemporal.cli.dev import ports
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.settings import Settings
from flytetemporal.config.storage import StorageSettings
from tests.fixtures.postgres import execute
from tests.fixtures.waiting import HANG_SECONDS
from tests.integration.catalog.requests import artifact, dataset_id, tag


@pytest.fixture
async def settings(postgres: URL, tmp_path: Path) -> AsyncIterator[Settings]:
    execute(postgres, "CREATE DATABASE catalog_alone")
    url = postgres.set(database="catalog_alone").render_as_string(hide_password=False)
    yield Settings(
        database=DatabaseSettings(url=SecretStr(url)),
        storage=StorageSettings(root=str(tmp_path)),
        catalog=CatalogSettings(grpc_port=ports.free(), http_port=ports.free()),
    )
    execute(postgres, "DROP DATABASE catalog_alone WITH (FORCE)")


@pytest.fixture
async def channel(settings: Settings) -> AsyncIterator[grpc.aio.Channel]:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(catalog.serve(settings, stop, migrate=True))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.catalog.grpc_port}") as opened:
            async with asyncio.timeout(HANG_SECONDS):
                await opened.channel_ready()
            yield opened
        stop.set()


async def test_the_catalog_serves_alone_what_stock_clients_ask(channel: grpc.aio.Channel, settings: Settings) -> None:
    stub = datacatalog_pb2_grpc.DataCatalogStub(channel)

    await stub.CreateDataset(dc.CreateDatasetRequest(dataset=dc.Dataset(id=dataset_id())))
    await stub.CreateArtifact(dc.CreateArtifactRequest(artifact=artifact()))
    await stub.AddTag(dc.AddTagRequest(tag=tag()))
    found = await stub.GetArtifact(dc.GetArtifactRequest(dataset=dataset_id(), tag_name="t1"))

    assert found.artifact.id == "a1"
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.catalog.http_port}") as http:
        assert (await http.get("/healthcheck")).status_code == 200
        assert "flytetemporal_rpc_calls_total" in (await http.get("/metrics")).text


async def test_refusals_have_the_codes_that_clients_look_for(channel: grpc.aio.Channel) -> None:
    stub = datacatalog_pb2_grpc.DataCatalogStub(channel)
    cache = cacheservice_pb2_grpc.CacheServiceStub(channel)
    dataset = dc.CreateDatasetRequest(dataset=dc.Dataset(id=dataset_id(), partitionKeys=["ds"]))
    await stub.CreateDataset(dataset)
    reservation = cs.GetOrExtendReservationRequest(key="k", owner_id="me")
    await cache.GetOrExtendReservation(reservation)

    async def code(call: Awaitable[object]) -> grpc.StatusCode:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call
        return raised.value.code()

    assert await code(stub.CreateDataset(dataset)) == grpc.StatusCode.ALREADY_EXISTS
    assert await code(stub.GetDataset(dc.GetDatasetRequest())) == grpc.StatusCode.INVALID_ARGUMENT
    missing = dc.GetArtifactRequest(dataset=dataset_id("none"), tag_name="t")
    assert await code(stub.GetArtifact(missing)) == grpc.StatusCode.NOT_FOUND
    unpartitioned = dc.CreateArtifactRequest(artifact=artifact())
    assert await code(stub.CreateArtifact(unpartitioned)) == grpc.StatusCode.INVALID_ARGUMENT
    assert await code(cache.Delete(cs.DeleteCacheRequest(key="k"))) == grpc.StatusCode.FAILED_PRECONDITION


async def test_the_database_of_a_catalog_alone_has_only_its_tables(
    channel: grpc.aio.Channel, settings: Settings
) -> None:
    engine = create_engine(settings.database.url.get_secret_value())

    names = inspect(engine).get_table_names()

    engine.dispose()
    assert channel is not None
    assert "catalog_artifacts" in names
    assert [name for name in names if not name.startswith("catalog_")] == ["alembic_version"]
