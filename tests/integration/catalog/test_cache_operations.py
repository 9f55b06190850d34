"""Operations on cached outputs: listed, evicted by scope, expired by policies."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import identifier_pb2
from flyteidl.datacatalog import datacatalog_pb2 as dc
from sqlalchemy import select, update

from flytetemporal import errors
from flytetemporal.catalog import (
    artifacts,
    dataset_reservations,
    datasets,
    entries,
    evictions,
    expiry,
    policies,
    reservations,
)
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, ReservationRow
from flytetemporal.cli.wiring import cache_expiry
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from flytetemporal.idl import times
from tests.fixtures.waiting import HANG_SECONDS
from tests.integration.catalog.requests import data, dataset_id

Scope = operations.CacheScope


async def store(
    catalog: Catalog, name: str, *, task: str = "t", domain: str = "d", version: str = "v1", execution: str = "e1"
) -> dc.DatasetID:
    """Store an artifact with the tag of its name, as a worker does."""
    dataset = dataset_id(f"flyte_task-{task}", domain=domain, version="1.0-GKw-c0Pw-UxVtPm0k")
    metadata = {"task-version": version, "exec-project": "p", "exec-domain": domain, "execution-name": execution}
    if execution:
        metadata["exec-node"] = "n0"
    with contextlib.suppress(errors.AlreadyExists):
        await datasets.create(catalog, dc.CreateDatasetRequest(dataset=dc.Dataset(id=dataset)))
    artifact = dc.Artifact(id=name, dataset=dataset, data=data(o0=1), metadata=dc.Metadata(key_map=metadata))
    await artifacts.create(catalog, dc.CreateArtifactRequest(artifact=artifact))
    await artifacts.add_tag(
        catalog, dc.AddTagRequest(tag=dc.Tag(name=f"tag-{name}", artifact_id=name, dataset=dataset))
    )
    return dataset


async def left(catalog: Catalog) -> list[str]:
    async with catalog.sessions() as session:
        return sorted((await session.scalars(select(ArtifactRow.artifact_id))).all())


async def evicted(catalog: Catalog, **scope: Any) -> int:
    answer = await evictions.evict(catalog, operations.EvictRequest(scope=Scope(**{"project": "p", **scope})))
    assert not answer.more
    return answer.evicted


async def reserve(catalog: Catalog, dataset: dc.DatasetID, tag: str, seconds: float = 10) -> None:
    request = dc.GetOrExtendReservationRequest(
        reservation_id=dc.ReservationID(dataset_id=dataset, tag_name=tag),
        owner_id="holder",
        heartbeat_interval=times.duration(timedelta(seconds=seconds)),
    )
    await dataset_reservations.get_or_extend(catalog, request)


async def age(catalog: Catalog, name: str, by: timedelta) -> None:
    """Make an artifact older."""
    async with catalog.sessions.begin() as session:
        aged = update(ArtifactRow).where(ArtifactRow.artifact_id == name)
        await session.execute(aged.values(updated_at=datetime.now(UTC) - by))


async def allow(catalog: Catalog, max_age: timedelta, **scope: str) -> None:
    policy = operations.CachePolicy(scope=Scope(**{"project": "p", **scope}), max_age=times.duration(max_age))
    await policies.set_policy(catalog, operations.SetPolicyRequest(policy=policy))


async def found(catalog: Catalog, dataset: dc.DatasetID, name: str) -> bool:
    try:
        await artifacts.get(catalog, dc.GetArtifactRequest(dataset=dataset, tag_name=f"tag-{name}"))
    except errors.NotFound:
        return False
    return True


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({}, ["a", "b", "c", "d"]),
        ({"domain": "d"}, ["a", "b", "c"]),
        ({"task": "t"}, ["a", "b", "d"]),
        ({"domain": "d", "task": "t"}, ["a", "b"]),
        ({"task": "t", "task_version": "v2"}, ["b"]),
        ({"domain": "d", "execution": "e1"}, ["a", "c"]),
        ({"domain": "d", "execution": "e1", "task": "u"}, ["c"]),
        ({"project": "other"}, []),
        ({"task": "none"}, []),
        ({"domain": "d", "execution": "none"}, []),
    ],
)
async def test_an_eviction_removes_what_its_scope_says_and_nothing_else(
    catalog: Catalog, scope: dict[str, str], expected: list[str]
) -> None:
    await store(catalog, "a")
    await store(catalog, "b", version="v2", execution="e2")
    await store(catalog, "c", task="u")
    await store(catalog, "d", domain="production")
    dry = operations.EvictRequest(scope=Scope(**{"project": "p", **scope}), dry_run=True)

    counted = (await evictions.evict(catalog, dry)).evicted
    listed = await entries.list_entries(catalog, operations.ListEntriesRequest(scope=dry.scope))
    assert await left(catalog) == ["a", "b", "c", "d"]
    removed = await evicted(catalog, **scope)

    assert counted == removed == len(expected)
    assert sorted(entry.artifact_id for entry in listed.entries) == expected
    assert await left(catalog) == sorted({"a", "b", "c", "d"} - set(expected))
    assert await evicted(catalog, **scope) == 0
    files = [path for path in Path(catalog.blobs.root).rglob("*.pb") if path.is_file()]
    assert len(files) == 4 - len(expected)


async def test_what_was_evicted_can_be_stored_again_under_the_same_tag(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    await evicted(catalog)
    assert not await found(catalog, dataset, "a")

    await store(catalog, "a")

    assert await found(catalog, dataset, "a")


async def test_an_artifact_of_flytes_engine_has_the_task_version_of_its_dataset(catalog: Catalog) -> None:
    dataset = dc.Dataset(id=dataset_id(), metadata=dc.Metadata(key_map={"task-version": "v7"}))
    await datasets.create(catalog, dc.CreateDatasetRequest(dataset=dataset))
    artifact = dc.Artifact(id="a", dataset=dataset.id, data=data(o0=1))
    await artifacts.create(catalog, dc.CreateArtifactRequest(artifact=artifact))

    assert await evicted(catalog, task="t", task_version="v8") == 0
    assert await evicted(catalog, task="t", task_version="v7") == 1


async def test_more_than_a_batch_is_evicted_in_steps(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evictions, "BATCH", 2)
    monkeypatch.setattr(evictions, "MOST", 4)
    for name in "abcde":
        await store(catalog, name)
    request = operations.EvictRequest(scope=Scope(project="p"))

    counted = await evictions.evict(catalog, operations.EvictRequest(scope=request.scope, dry_run=True))
    answers = [await evictions.evict(catalog, request) for _ in range(3)]

    assert (counted.evicted, counted.more) == (4, True)
    assert [(answer.evicted, answer.more) for answer in answers] == [(4, True), (1, False), (0, False)]


async def test_evictions_at_the_same_time_remove_each_entry_once(catalog: Catalog) -> None:
    for name in "abcdefgh":
        await store(catalog, name)

    removed = await asyncio.gather(*(evicted(catalog) for _ in range(4)))

    assert sum(removed) == 8
    assert await left(catalog) == []


@pytest.mark.parametrize(
    "scope",
    [{}, {"domain": "d"}, {"task": "t"}, {"task": "t", "task_version": "v1"}, {"domain": "d", "execution": "e1"}],
)
async def test_an_eviction_that_would_hit_a_reserved_entry_is_refused_and_removes_nothing(
    catalog: Catalog, scope: dict[str, str]
) -> None:
    dataset = await store(catalog, "a")
    await store(catalog, "b")
    await reserve(catalog, dataset, "tag-a")

    with pytest.raises(errors.FailedPrecondition, match=r"entry \[tag-a\] of dataset \[p/d/flyte_task-t/.*\[holder\]"):
        await evicted(catalog, **scope)

    assert await left(catalog) == ["a", "b"]


async def test_an_eviction_is_refused_while_an_entry_of_it_is_computed_for_the_first_time(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    await reserve(catalog, dataset, "tag-new")

    with pytest.raises(errors.FailedPrecondition, match="tag-new"):
        await evicted(catalog, task="t")

    assert await evicted(catalog, task="u") == 0
    assert await evicted(catalog, domain="d", execution="e1") == 1


async def test_reservations_that_have_expired_do_not_keep_entries(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    await reserve(catalog, dataset, "tag-a", seconds=0.001)
    await asyncio.sleep(0.05)

    assert await evicted(catalog) == 1


async def test_an_entry_says_what_it_is_where_it_comes_from_and_how_long_it_is_used(catalog: Catalog) -> None:
    await store(catalog, "a")
    await store(catalog, "b", execution="")
    await allow(catalog, timedelta(days=1), task="t")

    listed = await entries.list_entries(catalog, operations.ListEntriesRequest(scope=Scope(project="p")))

    unknown, entry = listed.entries
    assert (entry.task.name, entry.task.version, entry.cache_version) == ("t", "v1", "1.0")
    assert list(entry.tags) == ["tag-a"]
    assert entry.source == identifier_pb2.NodeExecutionIdentifier(
        node_id="n0",
        execution_id=identifier_pb2.WorkflowExecutionIdentifier(project="p", domain="d", name="e1"),
    )
    assert entry.expires_at.seconds - entry.stored_at.seconds == 24 * 3600
    assert not unknown.HasField("source")


@pytest.mark.parametrize(("index", "shown"), [("3", 3), ("", None), ("x", None), ("1" * 20, None)])
async def test_an_entry_says_which_element_of_a_map_task_it_is_of(
    catalog: Catalog, index: str, shown: int | None
) -> None:
    dataset = await store(catalog, "a")
    metadata = dc.Metadata(key_map={"execution-name": "e1", "exec-element": index})
    await artifacts.update(
        catalog, dc.UpdateArtifactRequest(dataset=dataset, artifact_id="a", data=data(o0=1), metadata=metadata)
    )

    listed = await entries.list_entries(catalog, operations.ListEntriesRequest(scope=Scope(project="p")))

    assert (listed.entries[0].element.value if listed.entries[0].HasField("element") else None) == shown


async def test_entries_are_listed_in_pages(catalog: Catalog) -> None:
    for name in "abcde":
        await store(catalog, name)
    pages, token = [], ""
    for _ in range(3):
        request = operations.ListEntriesRequest(scope=Scope(project="p"), limit=2, token=token)
        answer = await entries.list_entries(catalog, request)
        pages.append("".join(entry.artifact_id for entry in answer.entries))
        token = answer.token

    assert (pages, token) == (["ed", "cb", "a"], "")


@pytest.mark.parametrize(
    ("scope", "problem"),
    [
        (None, "missing scope"),
        (Scope(domain="d"), "missing scope.project"),
        (Scope(project="p", task_version="v"), "missing scope.task"),
        (Scope(project="p", execution="e"), "missing scope.domain"),
    ],
)
async def test_a_scope_that_says_less_than_it_seems_to_is_refused(
    catalog: Catalog, scope: operations.CacheScope | None, problem: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=problem):
        await evictions.evict(catalog, operations.EvictRequest(scope=scope))
    with pytest.raises(errors.InvalidRequest, match=problem):
        await entries.list_entries(catalog, operations.ListEntriesRequest(scope=scope))
    with pytest.raises(errors.InvalidRequest, match=problem):
        await policies.delete_policy(catalog, operations.DeletePolicyRequest(scope=scope))


@pytest.mark.parametrize("token", ["x", "-1", "1" * 30, "²"])
async def test_a_token_that_is_none_of_ours_is_refused(catalog: Catalog, token: str) -> None:
    with pytest.raises(errors.InvalidRequest, match="pagination token"):
        await entries.list_entries(catalog, operations.ListEntriesRequest(scope=Scope(project="p"), token=token))


async def test_an_artifact_older_than_its_policy_is_a_miss_and_the_next_one_takes_its_tag(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    await allow(catalog, timedelta(hours=1))
    assert await found(catalog, dataset, "a")
    await age(catalog, "a", timedelta(hours=2))

    assert not await found(catalog, dataset, "a")

    assert await left(catalog) == []
    assert not [path for path in Path(catalog.blobs.root).rglob("*.pb") if path.is_file()]
    await store(catalog, "a")
    assert await found(catalog, dataset, "a")


async def test_an_artifact_that_is_overwritten_is_new(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    await allow(catalog, timedelta(hours=1))
    await age(catalog, "a", timedelta(hours=2))

    await artifacts.update(catalog, dc.UpdateArtifactRequest(dataset=dataset, tag_name="tag-a", data=data(o0=2)))

    assert await found(catalog, dataset, "a")


async def test_an_expired_artifact_is_still_found_by_its_id(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    await allow(catalog, timedelta(hours=1))
    await age(catalog, "a", timedelta(hours=2))

    await artifacts.get(catalog, dc.GetArtifactRequest(dataset=dataset, artifact_id="a"))


@pytest.mark.parametrize(
    ("given", "expired"),
    [
        ({"": 1}, True),
        ({"": 3}, False),
        ({"": 1, "domain": 3}, False),
        ({"": 3, "domain": 1}, True),
        ({"domain": 3, "task": 1}, True),
        ({"task": 1, "domain task": 3}, False),
        ({"domain task": 1, "task task_version": 3}, False),
        ({"domain task task_version": 1, "task task_version": 3}, True),
        ({"task task_version": 3, "domain task task_version": 1}, True),
    ],
)
async def test_the_most_specific_policy_counts(catalog: Catalog, given: dict[str, int], expired: bool) -> None:
    dataset = await store(catalog, "a")
    values = {"domain": "d", "task": "t", "task_version": "v1"}
    for names, hours in given.items():
        await allow(catalog, timedelta(hours=hours), **{name: values[name] for name in names.split()})
    for other in ({"domain": "other"}, {"task": "other"}, {"task": "t", "task_version": "other"}, {"project": "other"}):
        await allow(catalog, timedelta(microseconds=1), **other)
    await age(catalog, "a", timedelta(hours=2))

    removed = await expiry.remove_expired(catalog)
    assert (removed, await found(catalog, dataset, "a")) == (int(expired), not expired)


async def test_what_nobody_looks_for_is_removed_in_the_background(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evictions, "BATCH", 2)
    for name in "abcde":
        await store(catalog, name)
        await age(catalog, name, timedelta(hours=2))
    await store(catalog, "young")
    assert await expiry.remove_expired(catalog) == 0
    await allow(catalog, timedelta(hours=1))

    assert await expiry.remove_expired(catalog) == 5
    assert await expiry.remove_expired(catalog) == 0
    assert await left(catalog) == ["young"]


async def test_a_process_of_the_control_plane_keeps_removing_what_has_expired(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_expiry, "INTERVAL_SECONDS", 0.02)

    async with cache_expiry.removing_expired(catalog):
        for name in "ab":
            await store(catalog, name)
            await allow(catalog, timedelta(microseconds=1))
            for _ in range(int(HANG_SECONDS / 0.02)):
                if not await left(catalog):
                    break
                await asyncio.sleep(0.02)
            assert await left(catalog) == []


async def test_reservations_of_owners_that_died_long_ago_are_removed(catalog: Catalog) -> None:
    dataset = await store(catalog, "a")
    for tag in ("old", "new"):
        await reserve(catalog, dataset, tag)
    async with catalog.sessions.begin() as session:
        long_ago = update(ReservationRow).where(ReservationRow.tag_name == "old")
        await session.execute(long_ago.values(expires_at=datetime.now(UTC) - timedelta(days=2)))

    await expiry.remove_expired(catalog)

    async with catalog.sessions() as session:
        assert (await session.scalars(select(ReservationRow.tag_name))).all() == ["new"]


async def test_a_policy_is_set_again_listed_and_removed(catalog: Catalog) -> None:
    await allow(catalog, timedelta(hours=1), domain="d", task="t")
    await allow(catalog, timedelta(hours=2), domain="d", task="t")
    await allow(catalog, timedelta(hours=3), project="other")

    listed = (await policies.list_policies(catalog, operations.ListPoliciesRequest(project="p"))).policies
    assert [(one.scope, one.max_age.seconds) for one in listed] == [(Scope(project="p", domain="d", task="t"), 7200)]
    everything = await policies.list_policies(catalog, operations.ListPoliciesRequest())
    assert [one.scope.project for one in everything.policies] == ["other", "p"]

    for _ in range(2):
        await policies.delete_policy(
            catalog, operations.DeletePolicyRequest(scope=Scope(project="p", domain="d", task="t"))
        )
    left_over = await policies.list_policies(catalog, operations.ListPoliciesRequest(project="p"))
    assert not left_over.policies


@pytest.mark.parametrize("seconds", [-1, 0, 200 * 365 * 24 * 3600, 315_576_000_000])
async def test_a_policy_with_an_impossible_age_is_refused(catalog: Catalog, seconds: int) -> None:
    policy = operations.CachePolicy(scope=Scope(project="p"))
    policy.max_age.seconds = seconds

    with pytest.raises(errors.InvalidRequest, match="max_age"):
        await policies.set_policy(catalog, operations.SetPolicyRequest(policy=policy))


async def test_a_policy_of_an_execution_is_refused(catalog: Catalog) -> None:
    with pytest.raises(errors.InvalidRequest, match="about tasks"):
        await allow(catalog, timedelta(hours=1), domain="d", execution="e1")
    with pytest.raises(errors.InvalidRequest, match="missing policy"):
        await policies.set_policy(catalog, operations.SetPolicyRequest())


async def test_a_reservation_of_cache_service_hits_no_eviction(catalog: Catalog) -> None:
    await store(catalog, "a")
    await reservations.get_or_extend(catalog, reservations.key_of("tag-a"), "holder", None)

    assert await evicted(catalog) == 1
