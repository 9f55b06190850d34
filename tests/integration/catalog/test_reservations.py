"""Reservations have one holder at a time, until it releases them or sends no heartbeats."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flyteidl.cacheservice import cacheservice_pb2 as cs
from flyteidl.datacatalog import datacatalog_pb2 as dc
from sqlalchemy import update

from flytetemporal import errors
from flytetemporal.catalog import cached_outputs, dataset_reservations
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ReservationRow
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.idl import times
from tests.integration.catalog.requests import dataset_id

RESERVATION = dc.ReservationID(dataset_id=dataset_id(), tag_name="t1")


async def acquire(catalog: Catalog, owner: str, heartbeat: float | None = None, tag: str = "t1") -> dc.Reservation:
    request = dc.GetOrExtendReservationRequest(
        reservation_id=dc.ReservationID(dataset_id=dataset_id(), tag_name=tag), owner_id=owner
    )
    if heartbeat is not None:
        request.heartbeat_interval.CopyFrom(times.duration(timedelta(seconds=heartbeat)))
    return (await dataset_reservations.get_or_extend(catalog, request)).reservation


async def release(catalog: Catalog, owner: str) -> None:
    request = dc.ReleaseReservationRequest(reservation_id=RESERVATION, owner_id=owner)
    await dataset_reservations.release(catalog, request)


async def expire(catalog: Catalog) -> None:
    async with catalog.sessions.begin() as session:
        await session.execute(update(ReservationRow).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))


async def test_the_first_owner_holds_a_reservation_and_others_learn_who(catalog: Catalog) -> None:
    mine = await acquire(catalog, "me")
    others = await acquire(catalog, "other")

    assert mine.owner_id == others.owner_id == "me"
    assert mine.reservation_id == RESERVATION
    assert others.expires_at == mine.expires_at
    assert (await acquire(catalog, "other", tag="t2")).owner_id == "other"


async def test_of_many_that_ask_at_once_one_holds_it(catalog: Catalog) -> None:
    held = await asyncio.gather(*(acquire(catalog, f"owner{number}") for number in range(10)))

    assert len({one.owner_id for one in held}) == 1


async def test_a_heartbeat_extends_it(catalog: Catalog) -> None:
    first = await acquire(catalog, "me")
    second = await acquire(catalog, "me")

    assert second.expires_at.ToNanoseconds() > first.expires_at.ToNanoseconds()


async def test_without_heartbeats_another_owner_gets_it(catalog: Catalog) -> None:
    await acquire(catalog, "me")
    await expire(catalog)

    held = await asyncio.gather(*(acquire(catalog, owner) for owner in ("one", "two", "three")))

    assert len({one.owner_id for one in held}) == 1
    assert (await acquire(catalog, "me")).owner_id == held[0].owner_id != "me"


async def test_a_released_reservation_is_free(catalog: Catalog) -> None:
    await acquire(catalog, "me")
    await release(catalog, "me")
    await release(catalog, "me")

    assert (await acquire(catalog, "other")).owner_id == "other"


async def test_nobody_releases_the_reservation_of_another_owner(catalog: Catalog) -> None:
    await acquire(catalog, "me")
    await release(catalog, "other")

    assert (await acquire(catalog, "other")).owner_id == "me"


@pytest.mark.parametrize(("requested", "effective"), [(None, 10), (4, 4), (60, 10)])
async def test_the_heartbeat_interval_has_a_maximum_and_the_lease_is_a_multiple_of_it(
    catalog: Catalog, requested: float | None, effective: float
) -> None:
    before = datetime.now(UTC)

    held = await acquire(catalog, "me", requested)

    assert held.heartbeat_interval.ToTimedelta() == timedelta(seconds=effective)
    lease = times.moment(held.expires_at) - before
    assert timedelta(seconds=3 * effective - 1) < lease < timedelta(seconds=3 * effective + 60)


async def test_the_maximum_and_the_multiple_are_settings(catalog: Catalog) -> None:
    settings = CatalogSettings(max_reservation_heartbeat=timedelta(hours=1), heartbeat_grace_factor=24)

    held = await acquire(replace(catalog, settings=settings), "me")

    assert times.moment(held.expires_at) - datetime.now(UTC) > timedelta(hours=23)


@pytest.mark.parametrize("heartbeat", [0, -1])
async def test_a_heartbeat_interval_is_positive(catalog: Catalog, heartbeat: float) -> None:
    with pytest.raises(errors.InvalidRequest, match="heartbeat_interval: it must be positive"):
        await acquire(catalog, "me", heartbeat)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"owner_id": "me"}, "missing reservation_id"),
        ({"reservation_id": RESERVATION}, "missing owner_id"),
        ({"reservation_id": dc.ReservationID(tag_name="t"), "owner_id": "me"}, "missing dataset"),
        ({"reservation_id": dc.ReservationID(dataset_id=dataset_id()), "owner_id": "me"}, "missing tagName"),
    ],
)
async def test_an_incomplete_request_is_refused(catalog: Catalog, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=text):
        await dataset_reservations.get_or_extend(catalog, dc.GetOrExtendReservationRequest(**fields))
    with pytest.raises(errors.InvalidRequest, match=text):
        await dataset_reservations.release(catalog, dc.ReleaseReservationRequest(**fields))


async def test_keys_of_the_cache_service_are_reserved_in_the_same_way(catalog: Catalog) -> None:
    def asking(owner: str) -> cs.GetOrExtendReservationRequest:
        return cs.GetOrExtendReservationRequest(key="t1", owner_id=owner)

    await acquire(catalog, "of a dataset")
    mine = (await cached_outputs.get_or_extend_reservation(catalog, asking("me"))).reservation
    others = (await cached_outputs.get_or_extend_reservation(catalog, asking("other"))).reservation
    await cached_outputs.release_reservation(catalog, cs.ReleaseReservationRequest(key="t1", owner_id="me"))
    after = (await cached_outputs.get_or_extend_reservation(catalog, asking("other"))).reservation

    assert [one.owner_id for one in (mine, others, after)] == ["me", "me", "other"]
    assert mine.key == "t1"
    assert mine.heartbeat_interval.ToTimedelta() == timedelta(seconds=10)


@pytest.mark.parametrize(("fields", "text"), [({"owner_id": "me"}, "missing key"), ({"key": "k"}, "missing owner_id")])
async def test_keys_and_owners_are_needed(catalog: Catalog, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=text):
        await cached_outputs.get_or_extend_reservation(catalog, cs.GetOrExtendReservationRequest(**fields))
    with pytest.raises(errors.InvalidRequest, match=text):
        await cached_outputs.release_reservation(catalog, cs.ReleaseReservationRequest(**fields))
