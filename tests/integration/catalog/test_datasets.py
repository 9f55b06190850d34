"""Datasets are created once, read by their id and listed in pages."""

import pytest
from flyteidl.datacatalog import datacatalog_pb2 as dc

from flytetemporal import errors
from flytetemporal.catalog import datasets
from flytetemporal.catalog.dependencies import Catalog
from tests.integration.catalog.requests import create_dataset, dataset_id

FIELDS = ("project", "domain", "name", "version")


async def get(catalog: Catalog, identifier: dc.DatasetID) -> dc.Dataset:
    response = await datasets.get(catalog, dc.GetDatasetRequest(dataset=identifier))
    return response.dataset


async def listed(
    catalog: Catalog, pagination: dc.PaginationOptions | None = None, **properties: str
) -> tuple[list[str], str]:
    filters = [
        dc.SinglePropertyFilter(dataset_filter=dc.DatasetPropertyFilter(**{field: value}))
        for field, value in properties.items()
    ]
    request = dc.ListDatasetsRequest(filter=dc.FilterExpression(filters=filters), pagination=pagination)
    response = await datasets.list_datasets(catalog, request)
    return [one.id.name for one in response.datasets], response.next_token


async def test_a_dataset_is_read_as_it_was_created(catalog: Catalog) -> None:
    await create_dataset(catalog, "region", "ds", org="acme")

    found = await get(catalog, dataset_id())

    assert found.id == dataset_id(UUID=found.id.UUID)  # As in Flyte, there are no organisations.
    assert len(found.id.UUID) == 36
    assert list(found.partitionKeys) == ["region", "ds"]
    assert dict(found.metadata.key_map) == {"task-version": "v"}


async def test_a_dataset_is_created_once(catalog: Catalog) -> None:
    await create_dataset(catalog)

    with pytest.raises(errors.AlreadyExists, match=r"dataset \[p/d/flyte_task-t/1-a-b\] already exists"):
        await create_dataset(catalog, "other")


async def test_a_uuid_that_is_given_has_to_match(catalog: Catalog) -> None:
    await create_dataset(catalog, UUID="mine")

    assert (await get(catalog, dataset_id(UUID="mine"))).id.UUID == "mine"
    with pytest.raises(errors.NotFound):
        await get(catalog, dataset_id(UUID="other"))


async def test_a_dataset_that_does_not_exist_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(errors.NotFound, match=r"missing entity of type Dataset with identifier \[p/d/none/1-a-b\]"):
        await get(catalog, dataset_id("none"))


@pytest.mark.parametrize("field", ["project", "domain", "name", "version"])
async def test_every_part_of_an_id_is_needed(catalog: Catalog, field: str) -> None:
    incomplete = dataset_id(**{field: ""})

    with pytest.raises(errors.InvalidRequest, match=f"missing {field}"):
        await get(catalog, incomplete)
    with pytest.raises(errors.InvalidRequest, match=f"missing {field}"):
        await datasets.create(catalog, dc.CreateDatasetRequest(dataset=dc.Dataset(id=incomplete)))


@pytest.mark.parametrize("request_", [dc.CreateDatasetRequest(), dc.CreateDatasetRequest(dataset=dc.Dataset())])
async def test_a_dataset_needs_an_id(catalog: Catalog, request_: dc.CreateDatasetRequest) -> None:
    with pytest.raises(errors.InvalidRequest, match="missing dataset"):
        await datasets.create(catalog, request_)


@pytest.mark.parametrize(
    ("keys", "text"), [(["a", "b", "a"], r"not unique: \['a'\]"), (["a", ""], r"partitionKey\[1\]")]
)
async def test_partition_keys_are_unique_and_not_empty(catalog: Catalog, keys: list[str], text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=text):
        await create_dataset(catalog, *keys)


@pytest.mark.parametrize("name", ["nul\0", "x" * 1001])
async def test_a_name_that_no_row_can_hold_is_the_callers_mistake(catalog: Catalog, name: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        await create_dataset(catalog, name=name)


async def test_datasets_are_listed_newest_first_in_pages(catalog: Catalog) -> None:
    for name in "abc":
        await create_dataset(catalog, name=name)

    first, token = await listed(catalog, dc.PaginationOptions(limit=2))
    second, end = await listed(catalog, dc.PaginationOptions(limit=2, token=token))
    nothing, _ = await listed(catalog, dc.PaginationOptions(limit=2, token=end))
    ascending, _ = await listed(catalog, dc.PaginationOptions(sortOrder="ASCENDING"))

    assert (first, second, nothing) == (["c", "b"], ["a"], [])
    assert (token, end) == ("2", "3")
    assert ascending == ["a", "b", "c"]  # A limit of 0 is the default, not an empty page as in Flyte.


async def test_datasets_are_filtered_by_their_parts(catalog: Catalog) -> None:
    await create_dataset(catalog, name="a")
    await create_dataset(catalog, name="b")
    await create_dataset(catalog, name="b", version="2")

    assert await listed(catalog, name="b") == (["b", "b"], "2")
    assert await listed(catalog, name="b", version="2", project="p", domain="d") == (["b"], "1")
    assert await listed(catalog, name="z") == ([], "0")


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (dc.SinglePropertyFilter(), "missing property_filter"),
        (dc.SinglePropertyFilter(tag_filter={"tag_name": "t"}), "Dataset cannot be filtered by Tag properties"),
        (dc.SinglePropertyFilter(partition_filter={}), "Dataset cannot be filtered by Partition properties"),
        (dc.SinglePropertyFilter(artifact_filter={}), "Dataset cannot be filtered by Artifact properties"),
        (dc.SinglePropertyFilter(dataset_filter={"org": "o"}), r"cannot be filtered by \[org\]"),
        (dc.SinglePropertyFilter(dataset_filter={}), r"cannot be filtered by \[nothing\]"),
        (dc.SinglePropertyFilter(dataset_filter={"name": ""}), "missing name"),
    ],
)
async def test_other_filters_are_refused(catalog: Catalog, one: dc.SinglePropertyFilter, text: str) -> None:
    request = dc.ListDatasetsRequest(filter=dc.FilterExpression(filters=[one]))

    with pytest.raises(errors.InvalidRequest, match=text):
        await datasets.list_datasets(catalog, request)


async def test_too_many_filters_are_refused(catalog: Catalog) -> None:
    one = dc.SinglePropertyFilter(dataset_filter={"name": "a"})

    with pytest.raises(errors.InvalidRequest, match="more than 100 filters"):
        await datasets.list_datasets(catalog, dc.ListDatasetsRequest(filter=dc.FilterExpression(filters=[one] * 101)))


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "9" * 30])
async def test_a_token_that_is_no_offset_is_refused(catalog: Catalog, token: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="invalid pagination token"):
        await listed(catalog, dc.PaginationOptions(token=token))


async def test_the_longest_name_of_a_task_and_a_long_cache_version_are_accepted(catalog: Catalog) -> None:
    names = {"name": "flyte_task-" + "é" * 255, "version": "v" * 900}

    await create_dataset(catalog, **names)

    assert (await get(catalog, dataset_id(**names))).id.version == names["version"]


@pytest.mark.parametrize(("value", "reason"), [("nul\0", "a NUL character"), ("x" * 1001, "more than 1000 characters")])
async def test_a_field_that_is_refused_is_named(catalog: Catalog, value: str, reason: str) -> None:
    for field in ("project", "domain", "name", "version"):
        with pytest.raises(errors.InvalidRequest, match=f"invalid value for {field}: it .* {reason}"):
            await create_dataset(catalog, **{field: value})


async def test_an_id_that_no_index_can_hold_is_refused(catalog: Catalog) -> None:
    parts = {field: "".join(chr(0x10000 + 37 * n + offset) for n in range(1000)) for offset, field in enumerate(FIELDS)}

    with pytest.raises(errors.InvalidRequest, match="index row"):
        await create_dataset(catalog, **parts)
