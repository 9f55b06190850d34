"""Lookups of many artifacts at once."""

from datetime import timedelta
from pathlib import Path

import pytest
from flyteidl.datacatalog import datacatalog_pb2 as dc
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from flytetemporal import errors
from flytetemporal.catalog import lookups, policies
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from tests.fixtures.effort import statements
from tests.integration.catalog.requests import add_tag, by_id, create_artifact, create_dataset, data, dataset_id


def key(*tags: str, **fields: str) -> operations.LookUpKey:
    return operations.LookUpKey(dataset=dataset_id(**fields), tags=tags or ("t1",))


async def look_up(catalog: Catalog, *keys: operations.LookUpKey) -> list[operations.LookedUp]:
    return list((await lookups.look_up(catalog, operations.LookUpRequest(keys=keys))).found)


async def test_the_answers_are_in_the_order_of_the_keys(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_dataset(catalog, name="other")
    for number in range(3):
        metadata = dc.Metadata(key_map={"execution-name": f"e{number}"})
        await create_artifact(catalog, f"a{number}", data=data(o0=number), metadata=metadata)
        await add_tag(catalog, f"t{number}", f"a{number}")

    found = await look_up(catalog, key("t2"), key("t0", name="other"), key("none"), key("t0"), key("t2"))

    assert [one.artifact.id for one in found] == ["a2", "", "", "a0", "a2"]
    assert [one.tag for one in found] == ["t2", "", "", "t0", "t2"]
    assert list(found[0].artifact.data) == data(o0=2)
    assert found[0].artifact.metadata.key_map["execution-name"] == "e2"
    assert found[0].artifact.dataset == dataset_id()
    assert found[0].artifact.created_at == (await by_id(catalog, "a2")).created_at
    assert found[0].dataset_metadata.key_map["task-version"] == "v"


async def test_many_keys_take_one_statement(catalog: Catalog, sessions: async_sessionmaker[AsyncSession]) -> None:
    await create_dataset(catalog)
    for number in range(5):
        await create_artifact(catalog, f"a{number}")
        await add_tag(catalog, f"t{number}", f"a{number}")

    with statements(sessions) as sent:
        found = await look_up(catalog, *(key(f"t{number}") for number in range(100)))

    assert [one.artifact.id for one in found] == [f"a{number}" if number < 5 else "" for number in range(100)]
    assert len(sent) == 1


async def test_the_first_tag_that_names_an_artifact_counts(catalog: Catalog) -> None:
    await create_dataset(catalog)
    for name in ("a1", "a2"):
        await create_artifact(catalog, name)
    await add_tag(catalog, "t1", "a1")
    await add_tag(catalog, "t2", "a2")

    found = await look_up(catalog, key("t1", "t2"), key("none", "t2"))

    assert [(one.tag, one.artifact.id) for one in found] == [("t1", "a1"), ("t2", "a2")]


async def test_an_artifact_whose_file_is_gone_is_removed_and_the_next_tag_counts(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog, "a1")
    await add_tag(catalog, "t1", "a1")
    for file in Path(catalog.blobs.root).rglob("*.pb"):
        file.unlink()
    await create_artifact(catalog, "a2")
    await add_tag(catalog, "t2", "a2")

    found = await look_up(catalog, key("t1", "t2"), key("t1"))

    assert [one.artifact.id for one in found] == ["a2", ""]
    with pytest.raises(errors.NotFound):
        await by_id(catalog, "a1")


async def test_an_artifact_that_is_too_old_is_removed(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog)
    await add_tag(catalog)
    policy = operations.CachePolicy(scope=operations.CacheScope(project="p"))
    policy.max_age.FromTimedelta(timedelta(microseconds=1))
    await policies.set_policy(catalog, operations.SetPolicyRequest(policy=policy))

    assert await look_up(catalog, key()) == [operations.LookedUp()]
    with pytest.raises(errors.NotFound):
        await by_id(catalog)


async def test_large_artifacts_are_left_to_a_call_of_their_own(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "_MAX_ARTIFACT_BYTES", 100)
    monkeypatch.setattr(lookups, "_MAX_BYTES", 200)
    await create_dataset(catalog)
    for name, size in (("a1", 1), ("a2", 20), ("a3", 1), ("a4", 5)):
        await create_artifact(catalog, name, data=data(**{f"o{number}": 1 for number in range(size)}))
        await add_tag(catalog, f"t-{name}", name)

    found = await look_up(catalog, *(key(f"t-{name}") for name in ("a1", "a2", "a3", "a4")))

    assert [one.left_out for one in found] == [False, True, False, True]
    assert [one.artifact.id for one in found] == ["a1", "", "a3", ""]


async def test_a_uuid_of_the_dataset_has_to_match(catalog: Catalog) -> None:
    await create_dataset(catalog)
    await create_artifact(catalog)
    await add_tag(catalog)

    found = await look_up(catalog, key(UUID="another"), key())

    assert [one.artifact.id for one in found] == ["", "a1"]


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ([key()] * 101, "101 keys: at most 100 can be looked up at once"),
        ([key(), operations.LookUpKey(tags=["t"])], "missing dataset"),
        ([operations.LookUpKey(dataset=dataset_id())], "0 tags of one key: from 1 to 2"),
        ([key("a", "b", "c")], "3 tags of one key: from 1 to 2"),
        ([key(domain="")], "missing domain"),
        ([key("t", "")], "missing tagName"),
        ([key("t\0")], "invalid value for tagName"),
    ],
)
async def test_requests_that_are_wrong_are_refused(
    catalog: Catalog, keys: list[operations.LookUpKey], problem: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=problem):
        await look_up(catalog, *keys)


async def test_no_keys_are_no_error(catalog: Catalog) -> None:
    assert await look_up(catalog) == []
