"""Lookups among a million artifacts search indexes: the work does not grow with the catalog.

The statements are those that the catalog runs; Postgres explains them.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from flyteidl.datacatalog import datacatalog_pb2 as dc
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from flytetemporal import errors
from flytetemporal.catalog import artifacts, datasets, evictions, lookups
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.contracts.v1 import cache_operations_pb2
from flytetemporal.db import session
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.query_plans import Selects, seeded_database
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
    SELECT CASE n % 2 WHEN 0 THEN 1 ELSE 2 + n % 5000 END, 'a' || n, '/store/none.pb',
           jsonb_build_object('exec-project', 'p', 'exec-domain', 'd', 'execution-name', 'e' || n / 10)
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
    """
    INSERT INTO catalog_policies (project, domain, name, task_version, max_age)
    SELECT CASE n WHEN 1 THEN 'p' ELSE 'p' || n END, '', '', '', interval '1 year' FROM generate_series(1, 5000) n
    """,
    "VACUUM ANALYZE",
)
LARGE = dataset_id("flyte_task-t1")
SMALL = dataset_id("flyte_task-t7")


@pytest.fixture(scope="module")
def seeded(migrated: URL) -> Iterator[DatabaseSettings]:
    """Return the settings of a database with a large catalog."""
    with seeded_database(migrated, SEED) as settings:
        yield settings


class Plans(Selects):
    """A catalog over the seeded database, and what its statements read."""

    def __init__(self, catalog: Catalog, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.catalog = catalog

    async def pages_read(self) -> int:
        """Run the statements again; return how many pages of tables and indexes they read."""
        plans = await self.plans("ANALYZE", "BUFFERS")
        assert "Seq Scan" not in json.dumps(plans), json.dumps(plans, indent=1)
        return sum(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] for plan in plans)


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


async def at_once(catalog: Catalog) -> None:
    numbers = ((LARGE, 2000), (SMALL, 5), (LARGE, -1), (SMALL, -1), (LARGE, 4000))
    keys = [cache_operations_pb2.LookUpKey(dataset=of, tags=[f"flyte_cached-{number}"]) for of, number in numbers]
    await lookups.look_up(catalog, cache_operations_pb2.LookUpRequest(keys=keys))


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


async def of_an_execution(catalog: Catalog) -> None:
    scope = cache_operations_pb2.CacheScope(project="p", domain="d", execution="e777")
    await evictions.evict(catalog, cache_operations_pb2.EvictRequest(scope=scope, dry_run=True))


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


async def test_a_lookup_of_several_reads_as_much_as_one_of_each(plans: Plans) -> None:
    with plans.watched():
        await at_once(plans.catalog)

    assert await plans.pages_read() <= 5 * MAX_PAGES


async def test_what_an_execution_has_stored_is_found_by_an_index(plans: Plans) -> None:
    with plans.watched():
        await of_an_execution(plans.catalog)

    assert "ix_catalog_artifacts_execution" in json.dumps(await plans.plans())


async def test_a_page_of_a_partition_reads_only_its_artifacts(plans: Plans) -> None:
    with plans.watched():
        await a_page(plans.catalog, OF_DAY)

    assert await plans.pages_read() <= 600  # A hundred artifacts have this value; the two newest are returned.
