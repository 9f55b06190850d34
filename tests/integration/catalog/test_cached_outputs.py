"""CacheService: outputs by key, put once unless overwritten, deleted unless reserved."""

import asyncio
from pathlib import Path

import pytest
from flyteidl.cacheservice import cacheservice_pb2 as cs
from flyteidl.core import identifier_pb2, literals_pb2

from flytetemporal import errors
from flytetemporal.catalog import cached_outputs
from flytetemporal.catalog.dependencies import Catalog
from tests.integration.catalog.requests import literal


def output(value: int) -> cs.CachedOutput:
    literals = literals_pb2.LiteralMap(literals={"o0": literal(value)})
    metadata = cs.Metadata(source_identifier=identifier_pb2.Identifier(name="t"), key_map={"values": {"k": "v"}})
    return cs.CachedOutput(output_literals=literals, metadata=metadata)


async def put(catalog: Catalog, entry: cs.CachedOutput, *, overwrite: bool = False, key: str = "k") -> None:
    await cached_outputs.put(catalog, cs.PutCacheRequest(key=key, output=entry, overwrite=overwrite))


async def get(catalog: Catalog, key: str = "k") -> cs.CachedOutput:
    return (await cached_outputs.get(catalog, cs.GetCacheRequest(key=key))).output


async def delete(catalog: Catalog, key: str = "k") -> None:
    await cached_outputs.remove(catalog, cs.DeleteCacheRequest(key=key))


async def reserve(catalog: Catalog, owner: str) -> None:
    await cached_outputs.get_or_extend_reservation(catalog, cs.GetOrExtendReservationRequest(key="k", owner_id=owner))


def files(catalog: Catalog) -> list[Path]:
    return [path for path in Path(catalog.blobs.root).rglob("*") if path.is_file()]


async def test_literals_are_read_as_they_were_put(catalog: Catalog) -> None:
    await put(catalog, output(1))

    found = await get(catalog)

    assert found.output_literals == output(1).output_literals
    assert found.metadata.source_identifier.name == "t"
    assert dict(found.metadata.key_map.values) == {"k": "v"}
    assert found.metadata.created_at.seconds > 0


async def test_a_uri_is_read_as_it_was_put_and_needs_no_file_of_ours(catalog: Catalog) -> None:
    await put(catalog, cs.CachedOutput(output_uri="s3://bucket/outputs.pb"))

    assert (await get(catalog)).output_uri == "s3://bucket/outputs.pb"
    assert files(catalog) == []


async def test_an_entry_is_put_once_unless_it_is_overwritten(catalog: Catalog) -> None:
    await put(catalog, output(1))

    with pytest.raises(errors.AlreadyExists, match=r"key \[k\] already exists; set overwrite"):
        await put(catalog, output(2))
    assert (await get(catalog)).output_literals == output(1).output_literals
    await put(catalog, output(3), overwrite=True)

    found = await get(catalog)
    assert found.output_literals == output(3).output_literals
    assert found.metadata.last_updated_at.ToNanoseconds() > found.metadata.created_at.ToNanoseconds()
    assert len(files(catalog)) == 1


async def test_of_many_that_put_at_once_one_wins(catalog: Catalog) -> None:
    results = await asyncio.gather(*(put(catalog, output(value)) for value in range(10)), return_exceptions=True)

    assert [type(one) for one in results].count(errors.AlreadyExists) == 9
    assert (await get(catalog)).output_literals == output(results.index(None)).output_literals
    assert len(files(catalog)) == 1


async def test_a_deleted_entry_is_gone_with_its_file(catalog: Catalog) -> None:
    await put(catalog, output(1))
    await delete(catalog)

    assert files(catalog) == []
    for verb in (get, delete):
        with pytest.raises(errors.NotFound, match=r"there is no cached output with key \[k\]"):
            await verb(catalog)


async def test_a_reserved_entry_is_not_deleted(catalog: Catalog) -> None:
    await put(catalog, output(1))
    await reserve(catalog, "me")

    with pytest.raises(errors.FailedPrecondition, match=r"key \[k\] is reserved by \[me\]"):
        await delete(catalog)

    await cached_outputs.release_reservation(catalog, cs.ReleaseReservationRequest(key="k", owner_id="me"))
    await delete(catalog)


async def test_an_entry_whose_file_is_gone_is_a_miss_and_can_be_put_again(catalog: Catalog) -> None:
    await put(catalog, output(1))
    for file in files(catalog):
        file.unlink()

    with pytest.raises(errors.NotFound):
        await get(catalog)
    await put(catalog, output(2))

    assert (await get(catalog)).output_literals == output(2).output_literals


async def test_incomplete_requests_are_refused(catalog: Catalog) -> None:
    for verb in (get, delete):
        with pytest.raises(errors.InvalidRequest, match="missing key"):
            await verb(catalog, "")
    with pytest.raises(errors.InvalidRequest, match="missing key"):
        await put(catalog, output(1), key="")
    with pytest.raises(errors.InvalidRequest, match="missing output"):
        await put(catalog, cs.CachedOutput())
    with pytest.raises(errors.InvalidRequest, match="missing output_uri"):
        await put(catalog, cs.CachedOutput(output_uri=""))


@pytest.mark.parametrize("key", ["nul\0", "".join(chr(0x4E00 + n) for n in range(5000))])
async def test_a_key_that_no_row_can_hold_is_the_callers_mistake(catalog: Catalog, key: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        await put(catalog, output(1), key=key)

    assert files(catalog) == []


@pytest.mark.parametrize(("key", "reason"), [("nul\0", "a NUL character"), ("x" * 1001, "more than 1000 characters")])
async def test_a_key_that_cannot_be_stored_is_refused_by_every_call(catalog: Catalog, key: str, reason: str) -> None:
    for call in (put(catalog, output(1), key=key), get(catalog, key), delete(catalog, key)):
        with pytest.raises(errors.InvalidRequest, match=f"invalid value for key: it .* {reason}"):
            await call
