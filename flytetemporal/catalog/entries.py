"""Entries: cached outputs as operators see them."""

from datetime import datetime
from typing import Any

from flyteidl.core import identifier_pb2
from sqlalchemy import Select, func, select

from flytetemporal import errors
from flytetemporal.catalog import pages, policies, scopes
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, TagRow
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from flytetemporal.idl import times

# The hashes of inputs' and outputs' types, which follow the cache version in the version of a dataset.
_HASHES = len("-12345678-12345678")
_TOKEN_DIGITS = 18
_INDEX_DIGITS = 9


async def list_entries(deps: Catalog, request: operations.ListEntriesRequest) -> operations.ListEntriesResponse:
    """List cached outputs, the newest first. A token is the row number of the last entry of the page before."""
    scopes.check(request.scope, given=request.HasField("scope"))
    if not request.token:
        await scopes.check_names(deps, request.scope)
    limit = min(request.limit or pages.DEFAULT_LIMIT, pages.MAX_LIMIT)
    query = _entries(request.scope).order_by(ArtifactRow.id.desc()).limit(limit)
    if request.token:
        query = query.where(ArtifactRow.id < _number(request.token))
    async with deps.sessions() as session:
        rows = (await session.execute(query)).all()
    token = str(rows[-1][0].id) if len(rows) == limit else ""
    return operations.ListEntriesResponse(entries=[_entry(*row) for row in rows], token=token)


def _entries(scope: scopes.Scope) -> Select[Any]:
    tags = select(TagRow.tag_name).where(TagRow.artifact == ArtifactRow.id).order_by(TagRow.created_at, TagRow.tag_name)
    return (
        select(
            ArtifactRow,
            DatasetRow,
            func.array(tags.correlate(ArtifactRow).scalar_subquery()),
            scopes.version(),
            policies.expires_at(),
        )
        .join(DatasetRow, DatasetRow.id == ArtifactRow.dataset_id)
        .where(scopes.condition(scope))
    )


def _entry(
    artifact: ArtifactRow, dataset: DatasetRow, tags: list[str], version: str, expires_at: datetime | None
) -> operations.CacheEntry:
    entry = operations.CacheEntry(
        task=identifier_pb2.Identifier(
            resource_type=identifier_pb2.TASK,
            project=dataset.project,
            domain=dataset.domain,
            name=scopes.task_name(dataset.name),
            version=version,
        ),
        cache_version=dataset.version[:-_HASHES] or dataset.version,
        tags=tags,
        artifact_id=artifact.artifact_id,
        source=scopes.source(artifact),
        stored_at=times.timestamp(artifact.updated_at),
    )
    element = artifact.key_map.get(scopes.ELEMENT, "")
    if element.isascii() and element.isdigit() and len(element) <= _INDEX_DIGITS:  # Anyone may have stored it.
        entry.element.value = int(element)
    if expires_at is not None:
        entry.expires_at.CopyFrom(times.timestamp(expires_at))
    return entry


def _number(token: str) -> int:
    if not token.isascii() or not token.isdigit() or len(token) > _TOKEN_DIGITS:
        raise errors.InvalidRequest(f"invalid pagination token {token[:100]} for ListEntries")
    return int(token)
