"""Lookups of many artifacts at once, by their tags: one statement, whatever their number."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from sqlalchemy import ARRAY, Select, Text, bindparam, false, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.catalog import artifacts, checks, files, policies
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, TagRow
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from flytetemporal.idl import times
from flytetemporal.storage import concurrency

_MAX_KEYS = 100
# Flyte's tag, and one for all orders of the keys of msgpack maps (``idl/cache_keys``).
_MAX_TAGS = 2
# Of the data in one response, and of one artifact in it.
_MAX_BYTES = 1024 * 1024
_MAX_ARTIFACT_BYTES = 128 * 1024
_READS_AT_ONCE = 16
_COLUMNS = (*checks.DATASET_FIELDS, "uuid", "tag")


@dataclass(frozen=True, slots=True)
class _Found:
    """The artifact that has one of the tags that are looked up."""

    artifact_id: str
    data_uri: str
    key_map: dict[str, str]
    created_at: datetime
    dataset_key_map: dict[str, str]
    is_expired: bool


async def look_up(deps: Catalog, request: operations.LookUpRequest) -> operations.LookUpResponse:
    """Return the artifacts that have the tags of a request."""
    _check(request)
    async with deps.sessions() as session:
        rows = await _rows(session, request)
    found = await concurrency.for_each(
        lambda number: _first(deps, request.keys[number], rows.get(number, {})),
        range(len(request.keys)),
        _READS_AT_ONCE,
    )
    return operations.LookUpResponse(found=_fitting(found))


def _check(request: operations.LookUpRequest) -> None:
    if len(request.keys) > _MAX_KEYS:
        raise errors.InvalidRequest(f"{len(request.keys)} keys: at most {_MAX_KEYS} can be looked up at once")
    for key in request.keys:
        checks.check_dataset_id(key.dataset, given=key.HasField("dataset"))
        if not 1 <= len(key.tags) <= _MAX_TAGS:
            raise errors.InvalidRequest(f"{len(key.tags)} tags of one key: from 1 to {_MAX_TAGS} can be looked up")
        for tag in key.tags:
            checks.check_given(tag, "tagName")


def _fitting(found: Iterable[operations.LookedUp]) -> Iterator[operations.LookedUp]:
    """Yield what is found, in the order of the keys, without the artifacts for which a response has no room."""
    left = _MAX_BYTES
    for one in found:
        size = one.artifact.ByteSize()
        if size > left:
            yield operations.LookedUp(left_out=True)
            continue
        left -= size
        yield one


async def _rows(session: AsyncSession, request: operations.LookUpRequest) -> Mapping[int, Mapping[str, _Found]]:
    """Return what is found by number of the key and tag."""
    wanted = list(_wanted(request))
    rows: dict[int, dict[str, _Found]] = {}
    for row in await session.execute(_query(), _arrays([columns for _, columns in wanted])):
        number, (*_, tag) = wanted[row[0] - 1]
        rows.setdefault(number, {})[tag] = _Found(*row[1:])
    return rows


def _wanted(request: operations.LookUpRequest) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the number of the key and the ``_COLUMNS`` of each tag."""
    for number, key in enumerate(request.keys):
        dataset = tuple(getattr(key.dataset, field) for field in checks.DATASET_FIELDS)
        yield from ((number, (*dataset, key.dataset.UUID, tag)) for tag in key.tags)


def _arrays(rows: list[tuple[str, ...]]) -> dict[str, list[str]]:
    return {column: [row[position] for row in rows] for position, column in enumerate(_COLUMNS)}


@functools.cache  # SQLAlchemy takes longer to make it than Postgres to run it.
def _query() -> Select[Any]:
    """Return the query of the artifacts that have tags; its parameters are an array per column of ``_COLUMNS``.

    Each tag is looked up by itself (LATERAL with LIMIT): what Postgres assumes of the length of arrays could make it
    read whole tables.
    """
    arrays = (bindparam(column, type_=ARRAY(Text)) for column in _COLUMNS)
    wanted = func.unnest(*arrays).table_valued(*_COLUMNS, with_ordinality="position", name="wanted").render_derived()
    found = (
        select(
            ArtifactRow.artifact_id,
            ArtifactRow.data_uri,
            ArtifactRow.key_map,
            ArtifactRow.created_at,
            DatasetRow.key_map.label("dataset_key_map"),
            func.coalesce(policies.expires_at() < func.now(), false()).label("is_expired"),
        )
        .select_from(DatasetRow)
        .join(TagRow, TagRow.dataset_id == DatasetRow.id)
        .join(ArtifactRow, ArtifactRow.id == TagRow.artifact)
        .where(*(getattr(DatasetRow, field) == wanted.c[field] for field in checks.DATASET_FIELDS))
        .where(or_(wanted.c.uuid == "", DatasetRow.uuid == wanted.c.uuid), TagRow.tag_name == wanted.c.tag)
        .limit(1)
        .lateral("found")
    )
    return select(wanted.c.position, *found.c).select_from(wanted).join(found, onclause=true())


async def _first(deps: Catalog, key: operations.LookUpKey, found: Mapping[str, _Found]) -> operations.LookedUp:
    """Return the artifact of the first tag that names one that can be used."""
    for tag in key.tags:
        if tag not in found:
            continue
        try:
            artifact = await _artifact(deps, key.dataset, tag, found[tag])
        except errors.ValueTooLarge:
            return operations.LookedUp(left_out=True)
        except errors.NotFound:
            continue
        dataset = datacatalog.Metadata(key_map=found[tag].dataset_key_map)
        return operations.LookedUp(tag=tag, artifact=artifact, dataset_metadata=dataset)
    return operations.LookedUp()


async def _artifact(deps: Catalog, dataset: datacatalog.DatasetID, tag: str, row: _Found) -> datacatalog.Artifact:
    """Return an artifact with its data.

    Raises:
        NotFound: it cannot be used, and was removed.
        ValueTooLarge: its data do not fit into a response with others.
    """
    data = None
    if not row.is_expired:
        data = await files.read(deps.blobs, row.data_uri, datacatalog.Artifact, _MAX_ARTIFACT_BYTES)
    if data is None:
        # It has expired, its file is gone, or it has got another one in between.
        request = datacatalog.GetArtifactRequest(dataset=dataset, tag_name=tag)
        return (await artifacts.get(deps, request)).artifact
    return datacatalog.Artifact(
        id=row.artifact_id,
        dataset=dataset,
        data=data.data,
        metadata=datacatalog.Metadata(key_map=row.key_map),
        created_at=times.timestamp(row.created_at),
    )
