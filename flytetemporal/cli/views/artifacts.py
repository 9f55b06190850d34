"""Artifacts as lines for people."""

from collections.abc import Iterator

from flyteidl.core import artifact_id_pb2

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import artifacts_pb2

_TITLES = ("name", "version", "partitions", "execution", "node", "created")


def lines(listed: artifacts_pb2.ListArtifactsResponse) -> list[str]:
    """Return a table of artifacts."""
    rows = (
        (
            one.id.artifact_key.name,
            one.id.version,
            ",".join(partitions(one.id)),
            one.source.execution.name,
            one.source.node_id,
            moments.moment(one.created_at),
        )
        for one in listed.artifacts
    )
    return printing.table(_TITLES, rows)


def partitions(identifier: artifact_id_pb2.ArtifactID) -> Iterator[str]:
    """Return ``key=value`` for each partition; that of time has the key ``time``."""
    for key, value in sorted(identifier.partitions.value.items()):
        yield f"{key}={value.static_value}"
    if identifier.HasField("time_partition"):
        yield f"time={moments.moment(identifier.time_partition.value.time_value)}"
