"""The rows of artifacts: written once, in the transaction that records the end of what produced them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flyteidl.core import artifact_id_pb2
from sqlalchemy import ColumnElement, tuple_
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.artifacts import values
from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base import stored_messages
from flytetemporal.contracts.v1 import artifacts_pb2
from flytetemporal.idl import identifiers, times


async def insert(session: AsyncSession, artifacts: Sequence[artifacts_pb2.Artifact]) -> None:
    """Insert artifacts. One that exists stays as it is: its version names the attempt that has produced it."""
    if artifacts:
        statement = postgresql.insert(NamedArtifactRow).on_conflict_do_nothing()
        await session.execute(statement, [_columns(artifact) for artifact in artifacts])


def message(row: NamedArtifactRow) -> artifacts_pb2.Artifact:
    """Return an artifact as clients read it. Raises ``UnreadableRow``."""
    artifact = stored_messages.parse(artifacts_pb2.Artifact, row.artifact)
    artifact.created_at.CopyFrom(times.timestamp(row.created_at))
    return artifact


def named(key: artifact_id_pb2.ArtifactKey) -> ColumnElement[bool]:
    """Return the condition that a row is a version of this artifact."""
    columns = (NamedArtifactRow.project, NamedArtifactRow.domain, NamedArtifactRow.name)
    return tuple_(*columns) == (key.project, key.domain, key.name)


def in_time_partition(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that a row's time partition contains a moment.

    The granularity is that of the row: flytekit's queries have that of a day, whatever the artifact's own.
    """
    starts = [(granularity, values.truncated(moment, granularity)) for granularity in values.GRANULARITIES]
    return tuple_(NamedArtifactRow.granularity, NamedArtifactRow.time_partition).in_(starts)


def _columns(artifact: artifacts_pb2.Artifact) -> dict[str, Any]:
    found = artifact.id
    time = found.time_partition
    project, domain, name = identifiers.execution_key(artifact.source.execution)
    return {
        "project": found.artifact_key.project,
        "domain": found.artifact_key.domain,
        "name": found.artifact_key.name,
        "version": found.version,
        "partitions": {key: value.static_value for key, value in found.partitions.value.items()},
        "granularity": time.granularity,
        "time_partition": times.moment(time.value.time_value) if time.value.HasField("time_value") else None,
        "execution_project": project,
        "execution_domain": domain,
        "execution_name": name,
        "artifact": artifact.SerializeToString(),
    }
