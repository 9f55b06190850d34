"""Launch conditions: launch plans that start for each new artifact that matches.

Clients send ``flyteidl.artifact.Trigger``, as Union's ``OnArtifact`` makes it. It is stored as our ``ArtifactTrigger``,
which has the same fields, so that every client can read it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from flyteidl.core import artifact_id_pb2, interface_pb2, literals_pb2, types_pb2
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal.admin.artifacts import queries, values
from flytetemporal.admin.artifacts.outputs import Variables
from flytetemporal.admin.artifacts.queries import Place, Resolved
from flytetemporal.contracts.v1 import artifacts_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times, types
from flytetemporal.storage.blobs import BlobStore

ArtifactTrigger = artifacts_pb2.ArtifactTrigger
_KNOWN = frozenset(("flyteidl.artifact.Trigger", ArtifactTrigger.DESCRIPTOR.full_name))
_DURATION = TypeAdapter(timedelta)
_TIME = types_pb2.LiteralType(simple=types_pb2.DATETIME)
_TEXT = types_pb2.LiteralType(simple=types_pb2.STRING)


def parse(condition: any_pb2.Any) -> ArtifactTrigger:
    """Return a launch condition. Raises ``InvalidRequest`` if it is of another kind, or cannot be read."""
    kind = condition.TypeName()
    if kind not in _KNOWN:
        raise InvalidRequest(f"the launch condition is a [{kind[:100]}]; only {min(_KNOWN)} is supported")
    try:
        return ArtifactTrigger.FromString(condition.value)
    except DecodeError as e:
        raise InvalidRequest("the launch condition cannot be read; update the client that wrote it") from e


def check(trigger: ArtifactTrigger, expected: interface_pb2.ParameterMap) -> None:
    """Check a launch condition against the inputs of its launch plan. Raises ``InvalidRequest``."""
    inputs = {name: parameter.var for name, parameter in expected.parameters.items()}
    _check_watched(trigger.trigger)
    for name, parameter in sorted(trigger.trigger_inputs.parameters.items()):
        if name not in inputs:
            raise InvalidRequest(
                f"the launch condition sets the input {name}, which the launch plan does not have or has fixed"
            )
        _check_input(name, parameter, inputs)
    for name, parameter in sorted(expected.parameters.items()):
        if parameter.required and name not in trigger.trigger_inputs.parameters:
            raise InvalidRequest(f"the launch condition leaves the required input {name} unset; give it a value")


def _check_watched(watched: artifact_id_pb2.ArtifactID) -> None:
    if not watched.artifact_key.name:
        raise InvalidRequest("the launch condition names no artifact")
    for key, value in watched.partitions.value.items():
        if value.WhichOneof("value") not in (None, "static_value"):
            raise InvalidRequest(f"partition {key} of the launch condition has to be a text, or empty for any")
    if watched.time_partition.value.WhichOneof("value") not in (None, "time_value"):
        raise InvalidRequest("the time partition of the launch condition has to be a datetime, or empty for any")


def _check_input(name: str, parameter: interface_pb2.Parameter, inputs: Variables) -> None:
    wanted = inputs[name].type
    match parameter.WhichOneof("behavior"):
        case "default":
            found = types.infer(parameter.default)
        case "artifact_query" if parameter.artifact_query.HasField("binding"):
            binding = parameter.artifact_query.binding
            _shifted(times.moment(literals_pb2.Primitive().datetime), binding)
            kind = binding.WhichOneof("partition_data")
            if kind is None:
                return  # The artifact itself, whose type is known when it is there.
            found = _TEXT if kind == "partition_key" else _TIME
        case "artifact_query":
            queries.check_query(name, parameter.artifact_query, {}, trigger=True)
            return
        case _:
            raise InvalidRequest(f"the launch condition has no value for the input {name}")
    if not types.castable(found, wanted):
        raise InvalidRequest(
            f"the launch condition gives the input {name} a {types.text(found)}, and it takes {types.text(wanted)}"
        )


def matches(watched: artifact_id_pb2.ArtifactID, found: artifact_id_pb2.ArtifactID) -> bool:
    """Whether an artifact of the watched name has the watched partitions."""
    for key, value in watched.partitions.value.items():
        if key not in found.partitions.value:
            return False
        if value.static_value and value.static_value != found.partitions.value[key].static_value:
            return False
    if not watched.HasField("time_partition"):
        return True
    if not found.HasField("time_partition"):
        return False
    if not watched.time_partition.value.HasField("time_value"):
        return True
    wanted = times.moment(watched.time_partition.value.time_value)
    start = times.moment(found.time_partition.value.time_value)
    return values.truncated(wanted, found.time_partition.granularity) == start


async def inputs(
    session: AsyncSession,
    blobs: BlobStore,
    trigger: ArtifactTrigger,
    artifact: artifacts_pb2.Artifact,
    expected: interface_pb2.ParameterMap,
    place: Place,
) -> Resolved:
    """Return the inputs of the launch that an artifact starts, and the artifacts among them.

    Raises:
        NotFound: an artifact that a query asks for is not there, or its value is gone.
        InvalidRequest: the artifact lacks a partition, or is of another type than the input.
    """
    given, found = literals_pb2.LiteralMap(), {}
    for name, parameter in sorted(trigger.trigger_inputs.parameters.items()):
        if name not in expected.parameters:
            raise InvalidRequest(f"the launch plan has no input [{name}] that an execution can set")
        query = parameter.artifact_query
        if parameter.HasField("default"):
            given.literals[name].CopyFrom(parameter.default)
        elif query.HasField("artifact_id"):
            found[name] = await queries.latest(session, name, _bound(query.artifact_id, artifact.id), place)
        elif query.binding.WhichOneof("partition_data") is None:
            found[name] = artifact
        else:
            given.literals[name].CopyFrom(_partition(query.binding, artifact.id))
    await session.commit()  # It has only read. No connection is held while the store is slow.
    for name, one in found.items():
        wanted = expected.parameters[name].var.type
        given.literals[name].CopyFrom(await queries.value(blobs, name, one, wanted))
    return Resolved(given, [one.id for one in found.values()])


def _bound(wanted: artifact_id_pb2.ArtifactID, source: artifact_id_pb2.ArtifactID) -> artifact_id_pb2.ArtifactID:
    """Return the id of a query, with the values of the artifact that starts the launch."""
    bound = artifact_id_pb2.ArtifactID()
    bound.CopyFrom(wanted)
    for value in bound.partitions.value.values():
        if value.HasField("triggered_binding"):
            value.static_value = _text(value.triggered_binding, source)
    time = bound.time_partition.value
    if time.HasField("triggered_binding"):
        time.time_value.CopyFrom(times.timestamp(_moment(time.triggered_binding, source)))
    return bound


def _partition(
    binding: artifact_id_pb2.ArtifactBindingData, source: artifact_id_pb2.ArtifactID
) -> literals_pb2.Literal:
    literal = literals_pb2.Literal()
    if binding.bind_to_time_partition:
        literal.scalar.primitive.datetime.CopyFrom(times.timestamp(_moment(binding, source)))
    else:
        literal.scalar.primitive.string_value = _text(binding, source)
    return literal


def _text(binding: artifact_id_pb2.ArtifactBindingData, source: artifact_id_pb2.ArtifactID) -> str:
    if binding.bind_to_time_partition:
        return f"{_moment(binding, source):%Y-%m-%d}"
    partitions: Mapping[str, artifact_id_pb2.LabelValue] = source.partitions.value
    if binding.partition_key not in partitions:
        raise InvalidRequest(f"artifact {values.text(source)} has no partition {binding.partition_key}")
    return partitions[binding.partition_key].static_value


def _moment(binding: artifact_id_pb2.ArtifactBindingData, source: artifact_id_pb2.ArtifactID) -> datetime:
    if not source.HasField("time_partition"):
        raise InvalidRequest(f"artifact {values.text(source)} has no time partition")
    return _shifted(times.moment(source.time_partition.value.time_value), binding)


def _shifted(moment: datetime, binding: artifact_id_pb2.ArtifactBindingData) -> datetime:
    """Return a time with the operation of a binding. Raises ``InvalidRequest`` if that is no ISO 8601 duration."""
    transform = binding.time_transform
    if not transform.transform:
        return moment
    try:
        delta = _DURATION.validate_python(transform.transform)
        return moment + delta if transform.op == artifact_id_pb2.PLUS else moment - delta
    except (ValidationError, OverflowError) as e:
        raise InvalidRequest(f"[{transform.transform[:100]}] is no duration such as P1D or PT6H, or is too long") from e
