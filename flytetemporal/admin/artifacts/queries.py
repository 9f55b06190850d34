"""Launch plan inputs that are artifacts: check their queries, and find the artifacts at a launch.

Values of partitions mirror fillInTemplateArgs of flyteadmin's pkg/manager/impl/execution_manager.go. There, the search
itself is left to a service that Flyte does not have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flyteidl.core import artifact_id_pb2, interface_pb2, literals_pb2, types_pb2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from flytetemporal import errors
from flytetemporal.admin.artifacts import outputs, rows, values
from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.artifacts.outputs import Variables
from flytetemporal.admin.base import stored_messages, validation
from flytetemporal.contracts.v1 import artifacts_pb2
from flytetemporal.idl import times, types
from flytetemporal.storage.blobs import BlobStore

BEHAVIORS = frozenset(("artifact_query", "artifact_id"))
"""What a parameter can have instead of a default value."""

ArtifactID = artifact_id_pb2.ArtifactID
Place = tuple[str, str]
"""Project and domain: those of a query that names none."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The inputs of a launch with those that are artifacts, and the ids of these artifacts."""

    inputs: literals_pb2.LiteralMap
    ids: list[ArtifactID]


def check(name: str, parameter: interface_pb2.Parameter, inputs: Variables) -> None:
    """Check the artifact that is the default of an input. Raises ``InvalidRequest``."""
    if parameter.HasField("artifact_id"):
        if not parameter.artifact_id.version:
            raise errors.InvalidRequest(f"the artifact of default_input {name} has no version; use a query instead")
        check_id(name, parameter.artifact_id, inputs)
        return
    kind = parameter.artifact_query.WhichOneof("identifier")
    if kind == "binding":
        raise errors.InvalidRequest(
            f"default_input {name} is bound to a triggering artifact; only inputs of a launch condition can be"
        )
    check_query(name, parameter.artifact_query, inputs)


def check_query(
    name: str,
    query: artifact_id_pb2.ArtifactQuery,
    inputs: Variables,
    *,
    trigger: bool = False,
) -> None:
    """Check a query for an artifact; that of a ``trigger`` can have values of the triggering artifact.

    Raises:
        InvalidRequest: the query is malformed, or of a kind that is not supported.
    """
    kind = query.WhichOneof("identifier")
    if kind != "artifact_id":
        problem = {None: "is empty", "artifact_tag": "names a tag", "uri": "is a URI"}.get(kind, "is a binding")
        raise errors.InvalidRequest(
            f"the artifact query of input {name} {problem}; name an artifact, and its partitions"
        )
    check_id(name, query.artifact_id, inputs, trigger=trigger)


def check_id(name: str, wanted: ArtifactID, inputs: Variables, *, trigger: bool = False) -> None:
    """Check the id in a query. Raises ``InvalidRequest``."""
    if not wanted.artifact_key.name:
        raise errors.InvalidRequest(f"the artifact of input {name} has no name")
    for key, value in sorted(wanted.partitions.value.items()):
        where = f"partition {key} in the artifact query of input {name}"
        if not (trigger and value.HasField("triggered_binding")):
            _check_value(where, value, inputs)
    time = wanted.time_partition
    where = f"the time partition in the artifact query of input {name}"
    outputs.check_granularity(where, time)
    kind = time.value.WhichOneof("value")
    if kind == "input_binding":
        bound = _bound(where, time.value, inputs)
        if bound.type.simple != types_pb2.DATETIME:
            raise errors.InvalidRequest(
                f"{where} is bound to an input of type {types.text(bound.type)}; use a datetime"
            )
    elif kind not in (None, "time_value") and not (trigger and kind == "triggered_binding"):
        raise errors.InvalidRequest(f"{where} must be a datetime, or bound to an input that is one")


def _check_value(where: str, value: artifact_id_pb2.LabelValue, inputs: Variables) -> None:
    if value.HasField("input_binding"):
        bound = _bound(where, value, inputs)
        if not outputs.is_bindable(bound.type):
            raise errors.InvalidRequest(
                f"{where} is bound to an input of type {types.text(bound.type)}; use an integer, a float, a text, a "
                "boolean or a datetime"
            )
    elif not value.static_value:
        raise errors.InvalidRequest(f"{where} has no value; give it a text, or bind it to an input")


def _bound(where: str, value: artifact_id_pb2.LabelValue, inputs: Variables) -> interface_pb2.Variable:
    name = value.input_binding.var
    if name not in inputs:
        raise errors.InvalidRequest(f"{where} is bound to input {name}, which does not exist")
    return inputs[name]


async def resolve(
    session: AsyncSession,
    blobs: BlobStore,
    expected: interface_pb2.ParameterMap,
    fixed: literals_pb2.LiteralMap,
    given: literals_pb2.LiteralMap,
    place: Place,
) -> Resolved:
    """Find the artifacts of a launch's inputs: the latest ones that match, unless a caller has given a value.

    Queries can be bound to the ``fixed`` inputs, too. The session gives its connection back before the store is read.

    Raises:
        NotFound: no artifact matches, or its value is gone.
        InvalidRequest: a query is bound to an input that has no value, or the artifact is of another type.
    """
    wanted = {
        name: parameter
        for name, parameter in sorted(expected.parameters.items())
        if parameter.WhichOneof("behavior") in BEHAVIORS and name not in given.literals
    }
    if not wanted:
        return Resolved(given, [])
    known = _known(expected, (given, fixed))
    found = {name: await latest(session, name, _query(name, one, known), place) for name, one in wanted.items()}
    await session.commit()  # It has only read. No connection is held while the store is slow.
    inputs = literals_pb2.LiteralMap()
    inputs.CopyFrom(given)
    for name, artifact in found.items():
        inputs.literals[name].CopyFrom(await value(blobs, name, artifact, wanted[name].var.type))
    return Resolved(inputs, [artifact.id for artifact in found.values()])


async def latest(session: AsyncSession, name: str, wanted: ArtifactID, place: Place) -> artifacts_pb2.Artifact:
    """Return the latest artifact that matches an id whose partitions have values. Raises ``NotFound``."""
    _check_texts(name, wanted)
    complete = ArtifactID()
    complete.CopyFrom(wanted)
    complete.artifact_key.project = wanted.artifact_key.project or place[0]
    complete.artifact_key.domain = wanted.artifact_key.domain or place[1]
    query = select(NamedArtifactRow).where(rows.named(complete.artifact_key))
    partitions = {key: one.static_value for key, one in complete.partitions.value.items()}
    if complete.version:
        query = query.where(NamedArtifactRow.version == complete.version)
    if partitions:
        query = query.where(NamedArtifactRow.partitions.contains(partitions))
    if complete.time_partition.value.HasField("time_value"):
        query = query.where(rows.in_time_partition(times.moment(complete.time_partition.value.time_value)))
    row = (await session.scalars(query.order_by(NamedArtifactRow.id.desc()).limit(1))).one_or_none()
    if row is None:
        raise await _missing(session, name, complete)
    return rows.message(row)


def _check_texts(name: str, wanted: ArtifactID) -> None:
    """Refuse texts that no artifact has, and Postgres does not take. Raises ``InvalidRequest``."""
    found = [wanted.artifact_key.project, wanted.artifact_key.domain, wanted.artifact_key.name, wanted.version]
    for key, one in wanted.partitions.value.items():
        found.extend((key, one.static_value))
    for text in found:
        validation.check_length(text, f"a part of the artifact query of input {name}", values.MAX_CHARACTERS)


async def value(
    blobs: BlobStore, name: str, artifact: artifacts_pb2.Artifact, wanted: types_pb2.LiteralType
) -> literals_pb2.Literal:
    """Return the value of an artifact for an input of a type. Raises ``NotFound`` and ``InvalidRequest``."""
    which = f"artifact {values.text(artifact.id)} for input {name}"
    if not types.castable(artifact.type, wanted):
        raise errors.InvalidRequest(
            f"{which} is of type {types.text(artifact.type)}, and the input takes {types.text(wanted)}"
        )
    try:
        made = await stored_messages.load(blobs, artifact.outputs_uri, literals_pb2.LiteralMap)
    except errors.NotFound as e:
        raise errors.NotFound(f"the value of {which} is gone from the store; produce the artifact again") from e
    literal = made.literals[artifact.output]
    literal.metadata.pop(values.RUNTIME, None)
    return literal


async def _missing(session: AsyncSession, name: str, wanted: ArtifactID) -> errors.NotFound:
    """Return the error of a query without an answer; it names the partitions that the artifact has."""
    query = select(NamedArtifactRow.partitions, NamedArtifactRow.time_partition).where(rows.named(wanted.artifact_key))
    newest = (await session.execute(query.order_by(NamedArtifactRow.id.desc()).limit(1))).one_or_none()
    text = f"no artifact {values.text(wanted)} for input {name} was found"
    if newest is None:
        return errors.NotFound(f"{text}; run what produces it, or give the input a value")
    keys = [*sorted(newest.partitions), *(["time"] if newest.time_partition else [])]
    having = f"the partitions {', '.join(keys)}" if keys else "no partitions"
    return errors.NotFound(f"{text}; its newest version has {having}. Run what produces it, or give the input a value")


def _known(
    expected: interface_pb2.ParameterMap, given: Iterable[literals_pb2.LiteralMap]
) -> dict[str, literals_pb2.Literal]:
    known = {
        name: parameter.default for name, parameter in expected.parameters.items() if parameter.HasField("default")
    }
    for one in given:
        known.update(one.literals)
    return known


def _query(name: str, parameter: interface_pb2.Parameter, known: Mapping[str, literals_pb2.Literal]) -> ArtifactID:
    """Return the id that a parameter asks for, with the values of the inputs to which its partitions are bound."""
    if parameter.HasField("artifact_id"):
        key, version = parameter.artifact_id.artifact_key, parameter.artifact_id.version
        return ArtifactID(artifact_key=key, version=version)
    wanted = ArtifactID()
    wanted.CopyFrom(parameter.artifact_query.artifact_id)
    for one in wanted.partitions.value.values():
        if one.HasField("input_binding"):
            bound = one.input_binding.var
            one.static_value = values.partition_text(bound, _value_of(name, bound, known))
    time = wanted.time_partition.value
    if time.HasField("input_binding"):
        time.time_value.CopyFrom(_value_of(name, time.input_binding.var, known).scalar.primitive.datetime)
    return wanted


def _value_of(name: str, bound: str, known: Mapping[str, literals_pb2.Literal]) -> literals_pb2.Literal:
    if bound not in known:
        raise errors.InvalidRequest(f"the artifact query of input {name} is bound to input {bound}, which has no value")
    return known[bound]
