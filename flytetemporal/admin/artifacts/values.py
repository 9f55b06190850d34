"""Artifact ids: their text, the values of their partitions, and partitions of time.

Texts of partition values mirror getStringFromInput of flyteadmin's pkg/manager/impl/execution_manager.go, but for
integers, of which Flyte makes the empty text.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from flyteidl.core import artifact_id_pb2, literals_pb2, types_pb2

from flytetemporal import errors
from flytetemporal.idl import times

MAX_PARTITIONS = 10
"""flytekit's limit of partition keys per artifact."""

MAX_CHARACTERS = 255
"""Of the name of an artifact, and of the name and the value of a partition."""

RUNTIME = "_uap"
"""The key of a literal's metadata in which flytekit's ``Artifact.create_from`` leaves the values of partitions."""

BINDABLE = frozenset(
    (types_pb2.INTEGER, types_pb2.FLOAT, types_pb2.STRING, types_pb2.BOOLEAN, types_pb2.DATETIME),
)
"""The simple types of inputs that can be the value of a partition."""

Granularity = artifact_id_pb2.Granularity
_TRUNCATED: Mapping[int, Mapping[str, int]] = {
    artifact_id_pb2.MINUTE: {"second": 0, "microsecond": 0},
    artifact_id_pb2.HOUR: {"minute": 0, "second": 0, "microsecond": 0},
    artifact_id_pb2.DAY: {"hour": 0, "minute": 0, "second": 0, "microsecond": 0},
    artifact_id_pb2.MONTH: {"day": 1, "hour": 0, "minute": 0, "second": 0, "microsecond": 0},
}
GRANULARITIES = tuple(_TRUNCATED)


def text(identifier: artifact_id_pb2.ArtifactID) -> str:
    """Return ``project:domain:name@version``, without the parts that are not set, then partitions in brackets."""
    key = identifier.artifact_key
    named = ":".join(part for part in (key.project, key.domain, key.name) if part)
    version = f"@{identifier.version}" if identifier.version else ""
    parts = [f"{name}={value.static_value}" for name, value in sorted(identifier.partitions.value.items())]
    if identifier.time_partition.value.HasField("time_value"):
        parts.append(f"time={times.moment(identifier.time_partition.value.time_value).isoformat()}")
    return f"{named}{version}[{', '.join(parts)}]" if parts else f"{named}{version}"


def partition_text(name: str, literal: literals_pb2.Literal) -> str:
    """Return the value of a partition that is bound to an input. Raises ``InvalidRequest`` if it has no such text."""
    primitive = literal.scalar.primitive
    match primitive.WhichOneof("value"):
        case "integer":
            return str(primitive.integer)
        case "float_value":
            return f"{primitive.float_value:.2f}"
        case "boolean":
            return "true" if primitive.boolean else "false"
        case "string_value" if primitive.string_value:
            return primitive.string_value
        case "datetime":
            return times.moment(primitive.datetime).strftime("%Y-%m-%d")
        case _:
            raise errors.InvalidRequest(
                f"input [{name}] cannot be the value of a partition; give a number, a datetime, or a text that is not "
                "empty"
            )


def truncated(moment: datetime, granularity: int) -> datetime:
    """Return the start of the minute, hour, day or month in UTC. An unset granularity is a day, as in flytekit."""
    return moment.astimezone(UTC).replace(**_TRUNCATED.get(granularity, _TRUNCATED[artifact_id_pb2.DAY]))  # type: ignore[arg-type]
