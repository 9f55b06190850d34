"""Finds artifacts, with their datasets, tags and partitions, in one statement each."""

import functools
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from flyteidl.datacatalog import datacatalog_pb2 as datacatalog
from sqlalchemy import Select, bindparam, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.catalog import checks, datasets, policies
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, PartitionRow, TagRow
from flytetemporal.idl import times

Everything: TypeAlias = Select[ArtifactRow, DatasetRow, list[str], list[list[str]], bool]
"""A query whose rows are the fields of ``Found``."""


class Handle(Protocol):
    """What requests that name one artifact have in common."""

    @property
    def dataset(self) -> datacatalog.DatasetID:
        """The dataset; optional with an artifact id."""

    @property
    def artifact_id(self) -> str:
        """The id of the artifact, or empty."""

    @property
    def tag_name(self) -> str:
        """The tag of the artifact, or empty."""

    def HasField(self, field_name: Any) -> bool:  # noqa: N802  protobuf's name
        """Whether a field is set."""


@dataclass(frozen=True, slots=True)
class Found:
    """An artifact and what belongs to it. ``partitions`` are pairs of key and value.

    ``is_expired``: it is older than a policy allows.
    """

    artifact: ArtifactRow
    dataset: DatasetRow
    tags: list[str]
    partitions: list[list[str]]
    is_expired: bool

    def message(self, data: datacatalog.Artifact) -> datacatalog.Artifact:
        """Return the artifact with its ``data``."""
        dataset = datasets.message_id(self.dataset)
        values = dict(self.partitions)
        # In the order in which the dataset declares its keys.
        partitions = [datacatalog.Partition(key=key, value=values[key]) for key in self.dataset.partition_keys]
        named = self.artifact.artifact_id
        tags = [datacatalog.Tag(name=name, artifact_id=named, dataset=dataset) for name in self.tags]
        return datacatalog.Artifact(
            id=named,
            dataset=dataset,
            data=data.data,
            metadata=datacatalog.Metadata(key_map=self.artifact.key_map),
            partitions=partitions,
            tags=tags,
            created_at=times.timestamp(self.artifact.created_at),
        )


def check(handle: Handle, kind: str | None) -> None:
    """Refuse a request that names no artifact; ``kind`` is its query handle. Raises ``InvalidRequest``."""
    if kind is None:
        raise errors.InvalidRequest("missing one of artifactID/tagName")
    if kind == "tag_name" or handle.HasField("dataset"):
        checks.check_dataset_id(handle.dataset, given=handle.HasField("dataset"))
    if kind == "tag_name":
        checks.check_given(handle.tag_name, "tagName")
    else:
        checks.check_given(handle.artifact_id, "artifactID")


async def find(session: AsyncSession, handle: Handle) -> Found:
    """Return the artifact that a checked request names; of several with its id the newest.

    Raises:
        NotFound: there is none.
    """
    in_dataset, by_tag = handle.HasField("dataset"), bool(handle.tag_name)
    statement = _named(in_dataset=in_dataset, with_uuid=bool(handle.dataset.UUID), by_tag=by_tag)
    parameters = {field: getattr(handle.dataset, field) for field in (*checks.DATASET_FIELDS, "UUID") if in_dataset}
    parameters["handle"] = handle.tag_name if by_tag else handle.artifact_id
    row = (await session.execute(statement, parameters)).one_or_none()
    if row is None:
        what = f"Tag with identifier [{handle.tag_name}]" if handle.tag_name else f"Artifact [{handle.artifact_id}]"
        where = f" in dataset {datasets.text(handle.dataset)}" if handle.HasField("dataset") else ""
        raise errors.NotFound(f"missing entity of type {what}{where}")
    return Found(*row)


def everything() -> Everything:
    """Return the query of all artifacts with what belongs to them."""
    tags = select(TagRow.tag_name).where(TagRow.artifact == ArtifactRow.id).order_by(TagRow.created_at, TagRow.tag_name)
    pair = func.json_build_array(PartitionRow.key, PartitionRow.value)
    partitions = select(func.coalesce(func.json_agg(pair), func.json_build_array()))
    return select(
        ArtifactRow,
        DatasetRow,
        func.array(tags.correlate(ArtifactRow).scalar_subquery()),
        partitions.where(PartitionRow.artifact == ArtifactRow.id).correlate(ArtifactRow).scalar_subquery(),
        func.coalesce(policies.expires_at() < func.now(), false()),
    ).join(DatasetRow, DatasetRow.id == ArtifactRow.dataset_id)


@functools.cache  # SQLAlchemy takes longer to make a statement than Postgres to run it.
def _named(*, in_dataset: bool, with_uuid: bool, by_tag: bool) -> Everything:
    """Return the query of the artifact with a tag, or of the newest with an id; ``find`` sets its parameters."""
    query = everything().limit(1)
    if in_dataset:
        query = query.where(*(getattr(DatasetRow, field) == bindparam(field) for field in checks.DATASET_FIELDS))
    if in_dataset and with_uuid:
        query = query.where(DatasetRow.uuid == bindparam("UUID"))
    if by_tag:
        on = (TagRow.artifact == ArtifactRow.id) & (TagRow.dataset_id == DatasetRow.id)
        return query.join(TagRow, on).where(TagRow.tag_name == bindparam("handle"))
    return query.where(ArtifactRow.artifact_id == bindparam("handle")).order_by(ArtifactRow.id.desc())
