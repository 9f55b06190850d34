"""Names have descriptions and a display state of their own."""

import pytest
from flyteidl.admin import common_pb2
from flyteidl.core import identifier_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.registry import named_entities, tasks
from flytetemporal.admin.settings import projects
from tests.fixtures.registrations import DOMAIN, PROJECT, scope, task

TASK = identifier_pb2.TASK
Metadata = common_pb2.NamedEntityMetadata


@pytest.fixture(autouse=True)
async def _registered_tasks(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    for name, version in (("a", "v1"), ("b", "v1"), ("b", "v2"), (".flytegen.a", "v1")):
        await tasks.create(deps, task(name, version))


async def update(deps: Dependencies, name: str, metadata: common_pb2.NamedEntityMetadata) -> None:
    request = common_pb2.NamedEntityUpdateRequest(resource_type=TASK, id=scope(name), metadata=metadata)
    await named_entities.update(deps, request)


async def get(deps: Dependencies, name: str) -> common_pb2.NamedEntity:
    return await named_entities.get(deps, common_pb2.NamedEntityGetRequest(resource_type=TASK, id=scope(name)))


async def listed(deps: Dependencies, filters: str = "", limit: int = 10, token: str = "") -> common_pb2.NamedEntityList:
    request = common_pb2.NamedEntityListRequest(
        resource_type=TASK, project=PROJECT, domain=DOMAIN, limit=limit, token=token, filters=filters
    )
    return await named_entities.list_named_entities(deps, request)


async def names(deps: Dependencies, filters: str = "") -> list[str]:
    return sorted(one.id.name for one in (await listed(deps, filters)).entities)


async def test_a_name_without_metadata_is_active(deps: Dependencies) -> None:
    found = await get(deps, "a")

    assert found.HasField("metadata")
    assert found.metadata == Metadata()


async def test_an_empty_description_stays_and_the_state_is_always_written(deps: Dependencies) -> None:
    await update(deps, "a", Metadata(description="adds", state=common_pb2.NAMED_ENTITY_ARCHIVED))
    archived = await get(deps, "a")

    await update(deps, "a", Metadata())

    assert archived.metadata.state == common_pb2.NAMED_ENTITY_ARCHIVED
    assert (await get(deps, "a")).metadata == Metadata(description="adds")


async def test_filters_read_a_missing_state_as_active(deps: Dependencies) -> None:
    await update(deps, "b", Metadata(state=common_pb2.NAMED_ENTITY_ARCHIVED))

    assert await names(deps, "eq(state,1)") == ["b"]
    assert await names(deps, "eq(named_entity_metadata.state,0)+eq(name,a)") == ["a"]


async def test_wrappers_of_single_tasks_are_hidden_until_there_are_filters(deps: Dependencies) -> None:
    assert await names(deps) == ["a", "b"]
    assert await names(deps, "eq(state,0)") == [".flytegen.a", "a", "b"]


async def test_names_are_listed_in_pages(deps: Dependencies) -> None:
    first = await listed(deps, limit=1)
    second = await listed(deps, limit=1, token=first.token)

    assert {one.id.name for page in (first, second) for one in page.entities} == {"a", "b"}


async def test_a_name_without_versions_is_not_found(deps: Dependencies) -> None:
    await update(deps, "nosuch", Metadata(description="x"))

    with pytest.raises(errors.NotFound, match=r"^entry not found$"):
        await get(deps, "nosuch")


async def test_requests_for_no_kind_are_refused(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for resource_type$"):
        await named_entities.get(deps, common_pb2.NamedEntityGetRequest(id=scope("a")))
    with pytest.raises(errors.InvalidRequest, match=r"^missing metadata$"):
        await named_entities.update(deps, common_pb2.NamedEntityUpdateRequest(resource_type=TASK, id=scope("a")))


@pytest.mark.parametrize("column", ["id", "created_at", "updated_at", "deleted_at", "nosuch"])
async def test_columns_that_flyte_refuses_are_refused(deps: Dependencies, column: str) -> None:
    request = common_pb2.NamedEntityListRequest(
        resource_type=TASK, project=PROJECT, domain=DOMAIN, limit=10, sort_by=common_pb2.Sort(key=column)
    )

    with pytest.raises(errors.InvalidRequest, match=f"'nen.{column}' is invalid filter"):
        await listed(deps, f"eq({column},1)")
    with pytest.raises(errors.InvalidRequest, match=f"invalid sort key '{column}'"):
        await named_entities.list_named_entities(deps, request)


async def test_columns_of_the_metadata_are_reached_by_its_name(deps: Dependencies) -> None:
    assert await names(deps, "gte(named_entity_metadata.created_at,2999-01-01T00:00:00Z)") == []
    assert await names(deps, "eq(named_entity_metadata.state,0)") == await names(deps, "eq(state,0)")
    with pytest.raises(errors.InvalidRequest, match="is invalid filter"):
        await listed(deps, "eq(named_entity_metadata.nosuch,1)")
