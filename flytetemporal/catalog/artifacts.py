"""Artifacts: create, read, replace, tag and list."""

from collections.abc import Sequence

import structlog
from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from sqlalchemy import delete, exists
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.catalog import artifact_rows, checks, datasets, files, pages
from flytetemporal.catalog.artifact_rows import Found
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, PartitionRow, TagRow
from flytetemporal.storage import concurrency

# Of an artifact that is updated while it is read; each update gives it another file.
_MAX_READS = 10
_READS_AT_ONCE = 16

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def create(deps: Catalog, request: datacatalog.CreateArtifactRequest) -> datacatalog.CreateArtifactResponse:
    """Create an artifact in an existing dataset."""
    artifact = request.artifact
    if not request.HasField("artifact"):
        raise errors.InvalidRequest("missing artifact")
    checks.check_dataset_id(artifact.dataset, given=artifact.HasField("dataset"))
    checks.check_given(artifact.id, "artifactID")
    checks.check_data(artifact.data)
    async with deps.sessions() as session:
        dataset = await datasets.find(session, artifact.dataset)
    checks.check_partitions(dataset.partition_keys, artifact.partitions)
    # The file first: a row always has one.
    uri = await files.write(deps.blobs, datacatalog.Artifact(data=artifact.data))
    try:
        async with deps.sessions.begin() as session:
            await _insert(session, dataset, artifact, uri)
    except BaseException:
        await files.discard(deps.blobs, uri)
        raise
    return datacatalog.CreateArtifactResponse()


async def _insert(session: AsyncSession, dataset: DatasetRow, artifact: datacatalog.Artifact, uri: str) -> None:
    statement = postgresql.insert(ArtifactRow).values(
        dataset_id=dataset.id,
        artifact_id=artifact.id,
        data_uri=uri,
        key_map=dict(artifact.metadata.key_map),
    )
    number = await session.scalar(statement.on_conflict_do_nothing().returning(ArtifactRow.id))
    if number is None:
        where = datasets.text(artifact.dataset)
        raise errors.AlreadyExists(f"artifact [{artifact.id}] already exists in dataset {where}")
    session.add_all(
        PartitionRow(artifact=number, key=partition.key, value=partition.value, dataset_id=dataset.id)
        for partition in artifact.partitions
    )


async def get(deps: Catalog, request: datacatalog.GetArtifactRequest) -> datacatalog.GetArtifactResponse:
    """Return an artifact with its data.

    One whose file is gone is removed and NOT_FOUND, so that the next run computes and stores it again. So is one that
    is found by its tag and is older than a policy allows.
    """
    artifact_rows.check(request, request.WhichOneof("query_handle"))
    for _ in range(_MAX_READS):
        async with deps.sessions() as session:
            found = await artifact_rows.find(session, request)
        expired = found.is_expired and bool(request.tag_name)
        data = None if expired else await files.read(deps.blobs, found.artifact.data_uri, datacatalog.Artifact)
        if data is not None:
            return datacatalog.GetArtifactResponse(artifact=found.message(data))
        if await _removed(deps, found.artifact, expired=expired):
            named = f"artifact [{found.artifact.artifact_id}]"
            raise errors.NotFound(
                f"{named} has expired; it was removed" if expired else f"the data of {named} is gone; it was removed"
            )
    raise errors.Unavailable("the artifact is being updated; try again")


async def _removed(deps: Catalog, artifact: ArtifactRow, *, expired: bool) -> bool:
    """Remove an artifact that cannot be used, unless it has got another file; return whether it was removed."""
    stale = (ArtifactRow.id == artifact.id) & (ArtifactRow.data_uri == artifact.data_uri)
    async with deps.sessions.begin() as session:
        removed = await session.scalar(delete(ArtifactRow).where(stale).returning(ArtifactRow.id))
    if removed is None:
        return False
    if expired:
        await files.discard(deps.blobs, artifact.data_uri)
    else:
        _log.warning("artifact_file_gone", artifact=artifact.artifact_id, uri=artifact.data_uri)
    return True


async def update(deps: Catalog, request: datacatalog.UpdateArtifactRequest) -> datacatalog.UpdateArtifactResponse:
    """Replace data and metadata of an artifact."""
    artifact_rows.check(request, request.WhichOneof("query_handle"))
    checks.check_data(request.data)
    async with deps.sessions() as session:
        await artifact_rows.find(session, request)
    uri = await files.write(deps.blobs, datacatalog.Artifact(data=request.data))
    try:
        async with deps.sessions.begin() as session:
            row = await _locked(session, request)
            replaced, row.data_uri = row.data_uri, uri
            row.key_map = dict(request.metadata.key_map)
    except BaseException:
        await files.discard(deps.blobs, uri)
        raise
    await files.discard(deps.blobs, replaced)
    return datacatalog.UpdateArtifactResponse(artifact_id=row.artifact_id)


async def _locked(session: AsyncSession, request: datacatalog.UpdateArtifactRequest) -> ArtifactRow:
    """Return the artifact of a request once no other update is at work, so that each deletes the file it replaces."""
    found = await artifact_rows.find(session, request)
    row = await session.get(ArtifactRow, found.artifact.id, with_for_update=True, populate_existing=True)
    if row is None:
        raise errors.NotFound(f"artifact [{found.artifact.artifact_id}] was removed")
    return row


async def add_tag(deps: Catalog, request: datacatalog.AddTagRequest) -> datacatalog.AddTagResponse:
    """Name an artifact of a dataset. Tags never move."""
    tag = request.tag
    if not request.HasField("tag"):
        raise errors.InvalidRequest("missing tag")
    checks.check_dataset_id(tag.dataset, given=tag.HasField("dataset"))
    checks.check_given(tag.name, "tagName")
    checks.check_given(tag.artifact_id, "artifactID")
    handle = datacatalog.GetArtifactRequest(dataset=tag.dataset, artifact_id=tag.artifact_id)
    try:
        async with deps.sessions.begin() as session:
            await datasets.find(session, tag.dataset)
            found = await artifact_rows.find(session, handle)
            row = {"dataset_id": found.dataset.id, "tag_name": tag.name, "artifact": found.artifact.id}
            statement = postgresql.insert(TagRow).values(**row).on_conflict_do_nothing()
            added = await session.scalar(statement.returning(TagRow.artifact))
    except IntegrityError as e:  # Removed since it was found.
        raise errors.NotFound(f"artifact [{tag.artifact_id}] was removed") from e
    if added is None:
        raise errors.AlreadyExists(f"tag [{tag.name}] already exists in dataset {datasets.text(tag.dataset)}")
    return datacatalog.AddTagResponse()


async def list_artifacts(deps: Catalog, request: datacatalog.ListArtifactsRequest) -> datacatalog.ListArtifactsResponse:
    """List the artifacts of a dataset with their data, the newest first unless the request asks for another order."""
    checks.check_dataset_id(request.dataset, given=request.HasField("dataset"))
    page = pages.page(request.pagination, given=request.HasField("pagination"), method="ListArtifacts")
    conditions = [_condition(one) for one in pages.filters(request.filter)]
    async with deps.sessions() as session:
        dataset = await datasets.find(session, request.dataset)
        _check_keys(request, dataset)
        query = artifact_rows.everything().where(ArtifactRow.dataset_id == dataset.id, *conditions)
        rows = [Found(*row) for row in await session.execute(page.apply(query, ArtifactRow.id))]
    return datacatalog.ListArtifactsResponse(artifacts=await _readable(deps, rows), next_token=page.next_token(rows))


def _check_keys(request: datacatalog.ListArtifactsRequest, dataset: DatasetRow) -> None:
    """Refuse partitions that the dataset does not have. Flyte answers with an empty list, as if none had the value."""
    wanted = (one.partition_filter.key_val.key for one in request.filter.filters if one.HasField("partition_filter"))
    if unknown := sorted(set(wanted).difference(dataset.partition_keys)):
        raise errors.InvalidRequest(
            f"dataset {datasets.text(request.dataset)} has no partition {unknown}; its partitions are "
            f"{list(dataset.partition_keys)}"
        )


async def _readable(deps: Catalog, rows: Sequence[Found]) -> list[datacatalog.Artifact]:
    """Return the artifacts whose files exist. Lists leave the others to ``get``, which removes them."""
    uris = [row.artifact.data_uri for row in rows]
    read = await concurrency.for_each(
        lambda uri: files.read(deps.blobs, uri, datacatalog.Artifact), uris, _READS_AT_ONCE
    )
    return [row.message(data) for row, data in zip(rows, read, strict=True) if data is not None]


def _condition(one: datacatalog.SinglePropertyFilter) -> pages.Condition:
    match one.WhichOneof("property_filter"):
        case "tag_filter":
            checks.check_given(one.tag_filter.tag_name, "tagName")
            of_tag = (TagRow.dataset_id == ArtifactRow.dataset_id) & (TagRow.tag_name == one.tag_filter.tag_name)
            return exists().where(of_tag, TagRow.artifact == ArtifactRow.id)
        case "partition_filter":
            wanted = one.partition_filter.key_val
            checks.check_given(wanted.key, "partitionKey")
            checks.check_given(wanted.value, "partitionValue")
            of_value = (PartitionRow.key == wanted.key) & (PartitionRow.value == wanted.value)
            of_dataset = PartitionRow.dataset_id == ArtifactRow.dataset_id
            return exists().where(of_dataset, of_value, PartitionRow.artifact == ArtifactRow.id)
        case "artifact_filter":
            checks.check_given(one.artifact_filter.artifact_id, "artifactID")
            return ArtifactRow.artifact_id == one.artifact_filter.artifact_id
        case kind:
            raise pages.not_filterable("Artifact", kind)
