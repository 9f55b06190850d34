"""Evictions: cached outputs are removed on request, so that the next run computes them again."""

from collections.abc import Sequence

import structlog
from flyteidl.core import identifier_pb2
from sqlalchemy import ColumnElement, Select, and_, delete, exists, func, select

from flytetemporal import errors
from flytetemporal.catalog import files, scopes
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, ReservationRow, TagRow
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from flytetemporal.storage import concurrency

# Rows of one transaction, and of one call: clients have a deadline.
BATCH = 1000
MOST = 10_000
_DELETES_AT_ONCE = 16

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def evict(deps: Catalog, request: operations.EvictRequest) -> operations.EvictResponse:
    """Remove the artifacts of a scope, at most ``MOST`` of them.

    Raises:
        NotFound: the scope names what does not exist.
        FailedPrecondition: an attempt has reserved one of the entries, so it is about to be stored or overwritten.
    """
    scopes.check(request.scope, given=request.HasField("scope"))
    await scopes.check_names(deps, request.scope)
    wanted = scopes.condition(request.scope)
    await _refuse_reserved(deps, request.scope)
    if request.dry_run:
        return await _counted(deps, wanted)
    evicted = 0
    while evicted < MOST:
        removed = await remove(deps, scopes.numbers(wanted).where(~_reserved_tag()))
        evicted += removed
        if removed < BATCH:
            break
    # One that was reserved since is left: it is about to be overwritten.
    await _refuse_reserved(deps, request.scope)
    _log.info("cache_evicted", evicted=evicted, scope=scopes.text(request.scope))
    return operations.EvictResponse(evicted=evicted, more=evicted >= MOST and await _is_left(deps, wanted))


async def remove(deps: Catalog, numbers: Select[int]) -> int:
    """Remove at most ``BATCH`` of the artifacts of a query of row numbers, with their files; return how many.

    Of two that remove the same rows at the same time, each removes some.
    """
    some = numbers.limit(BATCH).with_for_update(of=ArtifactRow, skip_locked=True).scalar_subquery()
    statement = delete(ArtifactRow).where(ArtifactRow.id.in_(some)).returning(ArtifactRow.data_uri)
    async with deps.sessions.begin() as session:
        uris: Sequence[str] = (await session.scalars(statement)).all()
    # After the commit: an artifact that is still there has its file.
    await concurrency.for_each(lambda uri: files.discard(deps.blobs, uri), uris, _DELETES_AT_ONCE)
    return len(uris)


async def has_any_of_execution(deps: Catalog, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> bool:
    """Whether there are artifacts that an execution has stored."""
    async with deps.sessions() as session:
        return await session.scalar(_of_execution(execution_id).limit(1)) is not None


async def remove_of_execution(deps: Catalog, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> int:
    """Remove at most ``BATCH`` of the artifacts that an execution has stored; return how many."""
    return await remove(deps, _of_execution(execution_id))


def _of_execution(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> Select[int]:
    scope = operations.CacheScope(project=execution_id.project, domain=execution_id.domain, execution=execution_id.name)
    return scopes.numbers(scopes.condition(scope))


async def _counted(deps: Catalog, wanted: ColumnElement[bool]) -> operations.EvictResponse:
    """Count what would be removed, up to what one call would remove."""
    some = scopes.numbers(wanted).limit(MOST + 1).subquery()
    async with deps.sessions() as session:
        found = await session.scalar(select(func.count()).select_from(some)) or 0
    return operations.EvictResponse(evicted=min(found, MOST), more=found > MOST)


async def _is_left(deps: Catalog, wanted: ColumnElement[bool]) -> bool:
    async with deps.sessions() as session:
        return await session.scalar(scopes.numbers(wanted).limit(1)) is not None


async def _refuse_reserved(deps: Catalog, scope: scopes.Scope) -> None:
    async with deps.sessions() as session:
        held = await session.scalar(_held(scope).limit(1))
    if held is not None:
        name = f"{held.project}/{held.domain}/{held.name}/{held.version}"
        raise errors.FailedPrecondition(
            f"entry [{held.tag_name}] of dataset [{name}] is reserved by [{held.owner_id}], which computes it; "
            "try again when it is released"
        )


def _held(scope: scopes.Scope) -> Select[ReservationRow]:
    """Return the query of the reservations that an eviction would hit."""
    row = ReservationRow
    query = select(row).where(row.expires_at > func.clock_timestamp())
    if not scope.execution:
        query = query.where(row.project == scope.project)
        query = query.where(row.domain == scope.domain) if scope.domain else query
        query = query.where(row.name == scopes.dataset_name(scope.task)) if scope.task else query
    if not (scope.execution or scope.task_version):
        return query  # Also of entries that are computed for the first time.
    tagged = select(ArtifactRow.id).join(DatasetRow, DatasetRow.id == ArtifactRow.dataset_id).join(TagRow, _tag())
    return query.where(exists(tagged.where(scopes.condition(scope), _of_reservation()).correlate(row)))


def _reserved_tag() -> ColumnElement[bool]:
    """Return the condition that an artifact has a tag which is reserved."""
    held = select(TagRow.artifact).join(ReservationRow, _of_reservation()).where(_tag())
    return exists(held.where(ReservationRow.expires_at > func.clock_timestamp()).correlate(ArtifactRow, DatasetRow))


def _tag() -> ColumnElement[bool]:
    return and_(TagRow.artifact == ArtifactRow.id, TagRow.dataset_id == DatasetRow.id)


def _of_reservation() -> ColumnElement[bool]:
    fields = ("project", "domain", "name", "version")
    same = (getattr(ReservationRow, field) == getattr(DatasetRow, field) for field in fields)
    return and_(ReservationRow.tag_name == TagRow.tag_name, *same)
