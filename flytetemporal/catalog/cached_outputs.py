"""CacheService: outputs by key. Flyte declares the service and has no server for it."""

from flyteidl.cacheservice import cacheservice_pb2 as cacheservice
from flyteidl.core import literals_pb2
from sqlalchemy import delete
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.catalog import checks, files, reservations
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import CachedOutputRow
from flytetemporal.idl import times

# Of an entry that is overwritten while it is read; each time it gets another file.
_MAX_READS = 10


async def get(deps: Catalog, request: cacheservice.GetCacheRequest) -> cacheservice.GetCacheResponse:
    """Return an entry. One whose file is gone is removed and NOT_FOUND."""
    checks.check_given(request.key, "key")
    for _ in range(_MAX_READS):
        async with deps.sessions() as session:
            row = await session.get(CachedOutputRow, request.key)
        if row is None:
            raise errors.NotFound(f"there is no cached output with key [{request.key}]")
        output = await _message(deps, row)
        if output is not None:
            return cacheservice.GetCacheResponse(output=output)
        stale = (CachedOutputRow.key == row.key) & (CachedOutputRow.data_uri == row.data_uri)
        async with deps.sessions.begin() as session:
            await session.execute(delete(CachedOutputRow).where(stale))
    raise errors.Unavailable("the cached output is being overwritten; try again")


async def put(deps: Catalog, request: cacheservice.PutCacheRequest) -> cacheservice.PutCacheResponse:
    """Store an entry; only if ``overwrite`` is set may there be one."""
    checks.check_given(request.key, "key")
    output = request.output
    if output.WhichOneof("output") is None:
        raise errors.InvalidRequest("missing output")
    if output.WhichOneof("output") == "output_uri":
        checks.check_given(output.output_uri, "output_uri", checks.URI_CHARACTERS)
    uri = await files.write(deps.blobs, output.output_literals) if output.HasField("output_literals") else ""
    try:
        async with deps.sessions.begin() as session:
            replaced = await _store(session, request, uri)
    except BaseException:
        await files.discard(deps.blobs, uri)
        raise
    await files.discard(deps.blobs, replaced)
    return cacheservice.PutCacheResponse()


async def _store(session: AsyncSession, request: cacheservice.PutCacheRequest, uri: str) -> str:
    """Insert or overwrite the row; return the URI of the file that it had before, empty if it had none."""
    values = {
        "output_uri": request.output.output_uri,
        "data_uri": uri,
        "details": request.output.metadata.SerializeToString(deterministic=True),
    }
    insert = postgresql.insert(CachedOutputRow).values(key=request.key, **values)
    if await session.scalar(insert.on_conflict_do_nothing().returning(CachedOutputRow.key)) is not None:
        return ""
    if not request.overwrite:
        raise errors.AlreadyExists(f"a cached output with key [{request.key}] already exists; set overwrite")
    row = await session.get(CachedOutputRow, request.key, with_for_update=True)
    if row is None:  # Deleted since the insert met it.
        raise errors.Unavailable("the cached output was deleted at the same time; try again")
    replaced = row.data_uri
    for column, value in values.items():
        setattr(row, column, value)
    return replaced


async def remove(deps: Catalog, request: cacheservice.DeleteCacheRequest) -> cacheservice.DeleteCacheResponse:
    """Delete an entry, unless someone has reserved its key."""
    checks.check_given(request.key, "key")
    owner = await reservations.holder(deps, reservations.key_of(request.key))
    if owner is not None:
        raise errors.FailedPrecondition(f"key [{request.key}] is reserved by [{owner}]; try again when it is released")
    async with deps.sessions.begin() as session:
        statement = delete(CachedOutputRow).where(CachedOutputRow.key == request.key)
        uri = await session.scalar(statement.returning(CachedOutputRow.data_uri))
    if uri is None:
        raise errors.NotFound(f"there is no cached output with key [{request.key}]")
    await files.discard(deps.blobs, uri)
    return cacheservice.DeleteCacheResponse()


async def get_or_extend_reservation(
    deps: Catalog, request: cacheservice.GetOrExtendReservationRequest
) -> cacheservice.GetOrExtendReservationResponse:
    """Take or extend a reservation; the answer names the holder, which can be another owner."""
    checks.check_given(request.key, "key")
    requested = request.heartbeat_interval if request.HasField("heartbeat_interval") else None
    held = await reservations.get_or_extend(deps, reservations.key_of(request.key), request.owner_id, requested)
    return cacheservice.GetOrExtendReservationResponse(
        reservation=cacheservice.Reservation(
            key=request.key,
            owner_id=held.owner_id,
            heartbeat_interval=times.duration(held.heartbeat),
            expires_at=times.timestamp(held.expires_at),
        )
    )


async def release_reservation(
    deps: Catalog, request: cacheservice.ReleaseReservationRequest
) -> cacheservice.ReleaseReservationResponse:
    """Give back a reservation of the owner."""
    checks.check_given(request.key, "key")
    await reservations.release(deps, reservations.key_of(request.key), request.owner_id)
    return cacheservice.ReleaseReservationResponse()


async def _message(deps: Catalog, row: CachedOutputRow) -> cacheservice.CachedOutput | None:
    """Return the entry of a row; None if its file is gone."""
    metadata = cacheservice.Metadata.FromString(row.details)
    metadata.created_at.CopyFrom(times.timestamp(row.created_at))
    metadata.last_updated_at.CopyFrom(times.timestamp(row.updated_at))
    if not row.data_uri:
        return cacheservice.CachedOutput(output_uri=row.output_uri, metadata=metadata)
    literals = await files.read(deps.blobs, row.data_uri, literals_pb2.LiteralMap)
    return None if literals is None else cacheservice.CachedOutput(output_literals=literals, metadata=metadata)
