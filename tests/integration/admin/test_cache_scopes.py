"""Operations on cached outputs of what does not exist are refused where admin serves the catalog."""

from datetime import timedelta
from functools import partial

import pytest
from flyteidl.datacatalog import datacatalog_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ExecutionRow
from flytetemporal.admin.control import cache_scopes
from flytetemporal.admin.registry import tasks
from flytetemporal.admin.settings import projects
from flytetemporal.catalog import artifacts, datasets, entries, evictions, policies
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from flytetemporal.idl import times
from tests.fixtures.registrations import DOMAIN, PROJECT, task
from tests.integration.catalog.requests import data

Scope = operations.CacheScope


@pytest.fixture
async def catalog(deps: Dependencies) -> Catalog:
    """The catalog of an admin that knows one task and one execution."""
    await projects.register_defaults(deps)
    await tasks.create(deps, task("t", "v1"))
    async with deps.sessions.begin() as session:
        session.add(
            ExecutionRow(execution_project=PROJECT, execution_domain=DOMAIN, execution_name="e1", spec=b"", closure=b"")
        )
    return Catalog(deps.sessions, deps.blobs, CatalogSettings(), partial(cache_scopes.check, deps))


def scope(**fields: str) -> Scope:
    return Scope(**{"project": PROJECT, "domain": DOMAIN, **fields})


async def set_policy(catalog: Catalog, of: Scope) -> None:
    policy = operations.CachePolicy(scope=of, max_age=times.duration(timedelta(hours=1)))
    await policies.set_policy(catalog, operations.SetPolicyRequest(policy=policy))


@pytest.mark.parametrize(
    ("of", "problem"),
    [
        (scope(project="nope"), "project nope does not exist"),
        (scope(domain="nope"), "domain nope does not exist; there are development, staging, production"),
        (scope(task="nope"), f"task nope of {PROJECT}:{DOMAIN} is not registered, and no outputs of it are stored"),
        (scope(domain="staging", task="t"), f"task t of {PROJECT}:staging is not registered"),
        (scope(task="t", task_version="v9"), f"task t of {PROJECT}:{DOMAIN} is not registered in version v9"),
    ],
)
async def test_what_does_not_exist_is_named(catalog: Catalog, of: Scope, problem: str) -> None:
    with pytest.raises(errors.NotFound, match=problem):
        await evictions.evict(catalog, operations.EvictRequest(scope=of))
    with pytest.raises(errors.NotFound, match=problem):
        await entries.list_entries(catalog, operations.ListEntriesRequest(scope=of))
    with pytest.raises(errors.NotFound, match=problem):
        await set_policy(catalog, of)


async def test_an_execution_that_does_not_exist_is_named(catalog: Catalog) -> None:
    with pytest.raises(errors.NotFound, match="nobody"):
        await evictions.evict(catalog, operations.EvictRequest(scope=scope(execution="nobody")))


@pytest.mark.parametrize("of", [scope(), scope(task="t"), scope(task="t", task_version="v1"), scope(execution="e1")])
async def test_what_exists_can_be_evicted_again_and_again_although_nothing_is_cached(
    catalog: Catalog, of: Scope
) -> None:
    for _ in range(2):
        assert (await evictions.evict(catalog, operations.EvictRequest(scope=of))).evicted == 0
    if not of.execution:
        await set_policy(catalog, of)
        await policies.delete_policy(catalog, operations.DeletePolicyRequest(scope=of))


async def test_what_is_cached_can_be_evicted_although_its_task_and_execution_are_gone(catalog: Catalog) -> None:
    dataset = datacatalog_pb2.DatasetID(project=PROJECT, domain=DOMAIN, name="flyte_task-gone", version="1-a-b")
    metadata = {"exec-project": PROJECT, "exec-domain": DOMAIN, "execution-name": "gone"}
    artifact = datacatalog_pb2.Artifact(
        id="a", dataset=dataset, data=data(o0=1), metadata=datacatalog_pb2.Metadata(key_map=metadata)
    )
    await datasets.create(catalog, datacatalog_pb2.CreateDatasetRequest(dataset=datacatalog_pb2.Dataset(id=dataset)))
    await artifacts.create(catalog, datacatalog_pb2.CreateArtifactRequest(artifact=artifact))

    listed = await entries.list_entries(catalog, operations.ListEntriesRequest(scope=scope(task="gone")))
    evicted = await evictions.evict(catalog, operations.EvictRequest(scope=scope(execution="gone")))

    assert (len(listed.entries), evicted.evicted) == (1, 1)
    # Tasks that only dynamic workflows contain are never registered.
    await set_policy(catalog, scope(task="gone"))
    assert (await evictions.evict(catalog, operations.EvictRequest(scope=scope(task="gone")))).evicted == 0
