"""Lookups among a million artifacts search indexes: the work does not grow with the catalog.

The statements are those that the catalog runs; Postgres explains them.
"""

import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.datacatalog import datacatalog_pb2 as dc
from pydantic import SecretStr
from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine

from flytetemporal import errors
from flytetemporal.catalog import artifacts, datasets
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.db import session
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.postgres import TEMPLATE, execute
from tests.integration.catalog.requests import dataset_id

# Pages of 8 KiB: an index search of a table of this size reads three or four, and a lookup makes five searches.
MAX_PAGES = 40
ARTIFACTS = 1_000_000
# One dataset has half of all artifacts, all others a hundred.
SEED = (
    """
    INSERT INTO catalog_datasets (project, domain, name, version, uuid, key_map, partition_keys)
    SELECT 'p', 'd', 'flyte_task-t' || n, '1-a-b', '', '{}', CASE n WHEN 1 THEN '{ds}'::text[] ELSE '{}' END
    FROM generate_series(1, 5001) n
    """,
    f"""
    INSERT INTO catalog_artifacts (dataset_id, artifact_id, data_uri, key_map)
    SELECT CASE n % 2 WHEN 0 THEN 1 ELSE 2 + n % 5000 END, 'a' || n, '/store/none.pb', '{{}}'
    FROM generate_series(1, {ARTIFACTS}) n
    """,
    """
    INSERT INTO catalog_tags (dataset_id, tag_name, artifact)
    SELECT dataset_id, 'flyte_cached-' || id, id FROM catalog_artifacts
    """,
    """
    INSERT INTO catalog_partitions (artifact, key, value, dataset_id)
    SELECT id, 'ds', id / 100, 1 FROM catalog_artifacts WHERE dataset_id = 1
    """,
    "VACUUM ANALYZE",
)
LARGE = dataset_id("flyte_task-t1")
SMALL = dataset_id("flyte_task-t7")


@pytest.fixture(scope="module")
def seeded(migrated: URL) -> Iterator[DatabaseSettings]:
    """Return the settings of a database with a large catalog."""
    name = f"seeded_{secrets.token_hex(6)}"
    execute(migrated, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    url = migrated.set(database=name)
    execute(url, *SEED)
    yield DatabaseSettings(url=SecretStr(url.render_as_string(hide_password=False)))
    execute(migrated, f"DROP DATABASE {name} WITH (FORCE)")


class Plans:
    """A catalog, and the plans of the statements that it has run since ``watched``."""

    def __init__(self, catalog: Catalog, engine: AsyncEngine) -> None:
        self.catalog = catalog
        self._engine = engine
        self._statements: list[tuple[str, Any]] = []

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        def remember(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if statement.startswith("SELECT"):
                self._statements.append((statement, parameters))

        event.listen(self._engine.sync_engine, "before_cursor_execute", remember)
        try:
            yield
        finally:
            event.remove(self._engine.sync_engine, "before_cursor_execute", remember)

    async def pages_read(self) -> int:
        """Run the statements again; return how many pages of tables and indexes they read."""
        assert self._statements
        total = 0
        async with self._engine.connect() as connection:
            for statement, parameters in self._statements:
                explained = await connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters
                )
                (plan,) = explained.scalar_one()
                assert "Seq Scan" not in json.dumps(plan), json.dumps(plan, indent=1)
                total += plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        return total


@pytest.fixture
async def plans(seeded: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Plans]:
    engine, sessions = session.open(seeded)
    yield Plans(Catalog(sessions, BlobStore(str(tmp_path)), CatalogSettings()), engine)
    await engine.dispose()


async def by_tag(catalog: Catalog, dataset: dc.DatasetID, number: int) -> None:
    request = dc.GetArtifactRequest(dataset=dataset, tag_name=f"flyte_cached-{number}")
    # The rows have no files, so they would be removed: this statement is not a SELECT.
    with contextlib.suppress(errors.NotFound):
        await artifacts.get(catalog, request)


async def by_id(catalog: Catalog, dataset: dc.DatasetID | None) -> None:
    with contextlib.suppress(errors.NotFound):
        await artifacts.get(catalog, dc.GetArtifactRequest(dataset=dataset, artifact_id="none"))


async def a_dataset(catalog: Catalog) -> None:
    await datasets.get(catalog, dc.GetDatasetRequest(dataset=LARGE))


async def a_page(catalog: Catalog, *filters: dc.SinglePropertyFilter) -> None:
    request = dc.ListArtifactsRequest(
        dataset=LARGE, filter=dc.FilterExpression(filters=filters), pagination=dc.PaginationOptions(limit=2)
    )
    await artifacts.list_artifacts(catalog, request)


TAGGED = dc.SinglePropertyFilter(tag_filter={"tag_name": "flyte_cached-1000"})
OF_DAY = dc.SinglePropertyFilter(partition_filter={"key_val": {"key": "ds", "value": "777"}})


@pytest.mark.parametrize(
    "lookup",
    [
        pytest.param(lambda catalog: by_tag(catalog, LARGE, -1), id="a miss in a large dataset"),
        pytest.param(lambda catalog: by_tag(catalog, SMALL, -1), id="a miss in a small dataset"),
        pytest.param(lambda catalog: by_tag(catalog, dataset_id("none"), 2), id="a miss without a dataset"),
        pytest.param(lambda catalog: by_tag(catalog, LARGE, 2000), id="a hit in a large dataset"),
        pytest.param(lambda catalog: by_tag(catalog, SMALL, 5), id="a hit in a small dataset"),
        pytest.param(lambda catalog: by_id(catalog, None), id="by the id alone"),
        pytest.param(lambda catalog: by_id(catalog, LARGE), id="by the id in a dataset"),
        pytest.param(a_dataset, id="a dataset"),
        pytest.param(a_page, id="the newest of a large dataset"),
        pytest.param(lambda catalog: a_page(catalog, TAGGED), id="a page of a tag"),
    ],
)
async def test_a_lookup_reads_a_few_pages(plans: Plans, lookup: Callable[[Catalog], Awaitable[None]]) -> None:
    with plans.watched():
        await lookup(plans.catalog)

    assert await plans.pages_read() <= MAX_PAGES


async def test_a_page_of_a_partition_reads_only_its_artifacts(plans: Plans) -> None:
    with plans.watched():
        await a_page(plans.catalog, OF_DAY)

    assert await plans.pages_read() <= 600  # A hundred artifacts have this value; the two newest are returned.
