"""Artifacts: created once, found by tag or id, replaced as a whole, listed by tag and partition."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from flyteidl.datacatalog import datacatalog_pb2 as dc

from flytetemporal import errors
from flytetemporal.catalog import artifacts
from flytetemporal.catalog.dependencies import Catalog
from tests.integration.catalog import requests
from tests.integration.catalog.requests import (
    add_tag,
    by_id,
    by_tag,
    create_artifact,
    create_dataset,
    data,
    dataset_id,
    partition,
)


def files(catalog: Catalog) -> list[Path]:
    return sorted(path for path in Path(catalog.blobs.root).rglob("*") if path.is_file())


async def replace(catalog: Catalog, value: int, **handle: str) -> str:
    request = dc.UpdateArtifactRequest(
        dataset=dataset_id(), data=data(o0=value), metadata=dc.Metadata(key_map={"execution-name": "e"}), **handle
    )
    return (await artifacts.update(catalog, request)).artifact_id


async def listed(catalog: Catalog, *filters: dc.SinglePropertyFilter, **page: Any) -> list[str]:
    request = dc.ListArtifactsRequest(
        dataset=dataset_id(), filter=dc.FilterExpression(filters=filters), pagination=dc.PaginationOptions(**page)
    )
    return [one.id for one in (await artifacts.list_artifacts(catalog, request)).artifacts]


async def test_an_artifact_is_found_by_its_tag_with_all_that_belongs_to_it(catalog: Catalog) -> None:
    await create_dataset(catalog, "region", "ds")
    partitions = [partition("ds", "2020"), partition("region", "eu")]
    metadata = dc.Metadata(key_map={"execution-name": "e1"})
    await create_artifact(catalog, partitions=partitions, metadata=metadata, data=data(b=2, a=1))
    await add_tag(catalog, "t1")
    await add_tag(catalog, "t2")

    found = await by_tag(catalog, "t2")

    assert found.id == "a1"
    assert list(found.data) == data(b=2, a=1)
    assert dict(found.metadata.key_map) == {"execution-name": "e1"}
    assert list(found.partitions) == [partition("region", "eu"), partition("ds", "2020")]
    assert [(one.name, one.artifact_id, one.dataset.name) for one in found.tags] == [
        ("t1", "a1", "flyte_task-t"),
        ("t2", "a1", "flyte_task-t"),
    ]
    assert found.created_at.seconds > 0
    assert found == await by_id(catalog)


async def test_an_artifact_is_found_by_its_id_alone_the_newest_first(catalog: Catalog) -> None:
    for name in ("one", "two"):
        await create_dataset(catalog, name=name)
        await create_artifact(catalog, dataset=dataset_id(name))

    found = await artifacts.get(catalog, dc.GetArtifactRequest(artifact_id="a1"))

    assert found.artifact.dataset.name == "two"


async def test_an_artifact_is_created_once_and_leaves_no_second_file(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog)

    with pytest.raises(errors.AlreadyExists, match=r"artifact \[a1\] already exists in dataset"):
        await create_artifact(catalog, data=data(o0=2))

    assert list((await by_id(catalog)).data) == data(o0=1)
    assert len(files(catalog)) == 1


async def test_an_artifact_needs_a_dataset_that_exists(catalog: Catalog) -> None:
    with pytest.raises(errors.NotFound, match="missing entity of type Dataset"):
        await create_artifact(catalog)
    with pytest.raises(errors.NotFound, match="missing entity of type Dataset"):
        await listed(catalog)
    with pytest.raises(errors.NotFound, match="missing entity of type Dataset"):
        await add_tag(catalog)
    assert files(catalog) == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": ""}, "missing artifactID"),
        ({"data": []}, "missing artifactData"),
        ({"data": [*data(a=1), *data(a=2)]}, r"Names are not unique: \['a'\]"),
        ({"dataset": dataset_id(name="")}, "missing name"),
        ({"dataset": None}, "missing dataset"),
    ],
)
async def test_an_incomplete_artifact_is_refused(catalog: Catalog, fields: dict[str, Any], text: str) -> None:
    await create_dataset(catalog)

    with pytest.raises(errors.InvalidRequest, match=text):
        await artifacts.create(catalog, dc.CreateArtifactRequest(artifact=requests.artifact(**fields)))


async def test_an_empty_request_is_refused(catalog: Catalog) -> None:
    with pytest.raises(errors.InvalidRequest, match="missing artifact"):
        await artifacts.create(catalog, dc.CreateArtifactRequest())
    with pytest.raises(errors.InvalidRequest, match="missing tag"):
        await artifacts.add_tag(catalog, dc.AddTagRequest())


@pytest.mark.parametrize(
    ("declared", "given", "text"),
    [
        ([], [partition("a", "1")], "Partition key mismatch, dataset keys: "),
        (["a"], [], "Partition key mismatch, dataset keys: "),
        (["a", "b"], [partition("a", "1"), partition("c", "1")], r"\['b'\] have no value, \['c'\] are not keys"),
        (["a", "b"], [partition("a", "1"), partition("a", "2")], r"\['b'\] have no value"),
        (["a"], [partition("a", "")], r"missing partitionValue\[0\]"),
        (["a"], [partition("", "1")], r"missing partitionKey\[0\], .*\['a'\] have no value"),
    ],
)
async def test_partitions_are_exactly_those_that_the_dataset_declares(
    catalog: Catalog, declared: list[str], given: list[dc.Partition], text: str
) -> None:
    await create_dataset(catalog, *declared)

    with pytest.raises(errors.InvalidRequest, match=text):
        await create_artifact(catalog, partitions=given)


async def test_tags_never_move(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog, "a1")
    await create_artifact(catalog, "a2", data=data(o0=2))
    await add_tag(catalog, "t1", "a1")

    for other in ("a2", "a1"):
        with pytest.raises(errors.AlreadyExists, match=r"tag \[t1\] already exists in dataset"):
            await add_tag(catalog, "t1", other)

    assert (await by_tag(catalog)).id == "a1"


async def test_of_many_that_tag_at_once_one_wins(catalog: Catalog) -> None:
    await create_dataset(catalog)
    names = [f"a{number}" for number in range(10)]
    for name in names:
        await create_artifact(catalog, name)

    results = await asyncio.gather(*(add_tag(catalog, "t1", name) for name in names), return_exceptions=True)

    winner = results.index(None)
    assert [type(one) for one in results].count(errors.AlreadyExists) == 9
    assert (await by_tag(catalog)).id == names[winner]


async def test_what_does_not_exist_is_not_found(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_dataset(catalog, name="other")
    await create_artifact(catalog)

    with pytest.raises(errors.NotFound, match=r"missing entity of type Tag with identifier \[t1\] in dataset"):
        await by_tag(catalog)
    with pytest.raises(errors.NotFound, match=r"missing entity of type Artifact \[a2\]"):
        await by_id(catalog, "a2")
    with pytest.raises(errors.NotFound):
        await add_tag(catalog, "t1", "a2")
    with pytest.raises(errors.NotFound):
        await replace(catalog, 2, tag_name="t1")
    with pytest.raises(errors.NotFound):
        await artifacts.get(catalog, dc.GetArtifactRequest(dataset=dataset_id("other"), artifact_id="a1"))


@pytest.mark.parametrize(
    ("handle", "text"),
    [
        ({}, "missing one of artifactID/tagName"),
        ({"tag_name": "t"}, "missing dataset"),
        ({"tag_name": "", "dataset": dataset_id()}, "missing tagName"),
        ({"artifact_id": ""}, "missing artifactID"),
        ({"artifact_id": "a", "dataset": dataset_id(version="")}, "missing version"),
    ],
)
async def test_a_request_names_an_artifact(catalog: Catalog, handle: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=text):
        await artifacts.get(catalog, dc.GetArtifactRequest(**handle))
    with pytest.raises(errors.InvalidRequest, match=text):
        await artifacts.update(catalog, dc.UpdateArtifactRequest(**handle, data=data(a=1)))


@pytest.mark.parametrize("handle", [{"tag_name": "t1"}, {"artifact_id": "a1"}])
async def test_an_update_replaces_data_and_metadata(catalog: Catalog, handle: dict[str, str]) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog, data=data(o0=1, o1=2), metadata=dc.Metadata(key_map={"exec-node": "n0"}))
    await add_tag(catalog)
    before = await by_tag(catalog)

    assert await replace(catalog, 7, **handle) == "a1"

    after = await by_tag(catalog)
    assert list(after.data) == data(o0=7)
    assert dict(after.metadata.key_map) == {"execution-name": "e"}
    assert after.created_at == before.created_at
    assert len(files(catalog)) == 1


async def test_an_update_needs_data(catalog: Catalog) -> None:
    with pytest.raises(errors.InvalidRequest, match="missing artifactData"):
        await artifacts.update(catalog, dc.UpdateArtifactRequest(dataset=dataset_id(), tag_name="t"))


async def test_readers_see_one_version_while_updates_go_on(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog, data=data(a=0, b=0))
    await add_tag(catalog)

    async def write(value: int) -> None:
        request = dc.UpdateArtifactRequest(dataset=dataset_id(), tag_name="t1", data=data(a=value, b=value))
        await artifacts.update(catalog, request)

    async def read() -> set[int]:
        return {one.value.scalar.primitive.integer for one in (await by_tag(catalog)).data}

    _, *read_values = await asyncio.gather(
        asyncio.gather(*(write(value) for value in range(1, 6))), *(read() for _ in range(20))
    )

    assert all(len(values) == 1 for values in read_values)
    assert len(files(catalog)) == 1


async def test_an_artifact_whose_file_is_gone_is_a_miss_and_its_tag_free_again(catalog: Catalog) -> None:
    await create_dataset(catalog, "ds")
    await create_artifact(catalog, partitions=[partition("ds", "1")])
    await add_tag(catalog)
    for file in files(catalog):
        file.unlink()

    assert await listed(catalog) == []
    with pytest.raises(errors.NotFound, match=r"the data of artifact \[a1\] is gone"):
        await by_tag(catalog)
    with pytest.raises(errors.NotFound, match="missing entity of type Tag"):
        await by_tag(catalog)

    await create_artifact(catalog, partitions=[partition("ds", "1")])
    await add_tag(catalog)
    assert (await by_tag(catalog)).id == "a1"


async def test_artifacts_are_listed_newest_first_in_pages(catalog: Catalog) -> None:
    await create_dataset(catalog)
    for name in "abc":
        await create_artifact(catalog, name)

    assert await listed(catalog, limit=2) == ["c", "b"]
    assert await listed(catalog, limit=2, token="2") == ["a"]
    assert await listed(catalog, limit=2, token="3") == []
    assert await listed(catalog, sortOrder="ASCENDING") == ["a", "b", "c"]


def with_tag(name: str) -> dc.SinglePropertyFilter:
    return dc.SinglePropertyFilter(tag_filter={"tag_name": name})


def with_partition(key: str, value: str) -> dc.SinglePropertyFilter:
    return dc.SinglePropertyFilter(partition_filter={"key_val": {"key": key, "value": value}})


async def test_a_partition_that_the_dataset_does_not_have_is_refused(catalog: Catalog) -> None:
    await create_dataset(catalog, "ds", "region")

    with pytest.raises(
        errors.InvalidRequest, match=r"has no partition \['day'\]; its partitions are \['ds', 'region'\]"
    ):
        await listed(catalog, with_partition("ds", "1"), with_partition("day", "1"))


async def test_artifacts_are_filtered_by_tag_partition_and_id(catalog: Catalog) -> None:
    await create_dataset(catalog, "ds", "region")
    for name, day, region in (("a", "1", "eu"), ("b", "1", "us"), ("c", "2", "eu")):
        await create_artifact(catalog, name, partitions=[partition("ds", day), partition("region", region)])
    await add_tag(catalog, "t", "b")

    assert await listed(catalog, with_tag("t")) == ["b"]
    assert await listed(catalog, with_tag("none")) == []
    assert await listed(catalog, with_partition("ds", "1")) == ["b", "a"]
    assert await listed(catalog, with_partition("ds", "1"), with_partition("region", "eu")) == ["a"]
    assert await listed(catalog, with_partition("ds", "1"), with_partition("ds", "2")) == []
    assert await listed(catalog, dc.SinglePropertyFilter(artifact_filter={"artifact_id": "c"})) == ["c"]


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (dc.SinglePropertyFilter(), "missing property_filter"),
        (dc.SinglePropertyFilter(dataset_filter={"name": "x"}), "Artifact cannot be filtered by Dataset properties"),
        (with_tag(""), "missing tagName"),
        (with_partition("", "v"), "missing partitionKey"),
        (with_partition("k", ""), "missing partitionValue"),
        (dc.SinglePropertyFilter(partition_filter={}), "missing partitionKey"),
        (dc.SinglePropertyFilter(artifact_filter={}), "missing artifactID"),
    ],
)
async def test_other_filters_are_refused(catalog: Catalog, one: dc.SinglePropertyFilter, text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=text):
        await listed(catalog, one)
