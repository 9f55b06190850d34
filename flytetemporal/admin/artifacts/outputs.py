"""Check what tasks and workflows declare about the artifacts that their outputs are."""

from collections.abc import Mapping

from flyteidl.core import artifact_id_pb2, interface_pb2, types_pb2

from flytetemporal.admin.artifacts import values
from flytetemporal.admin.base import validation
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import types

Variables = Mapping[str, interface_pb2.Variable]


def check(interface: interface_pb2.TypedInterface, *, task: bool) -> None:
    """Check the artifacts of all outputs. Only a ``task`` can leave the values of partitions to its code.

    Raises:
        InvalidRequest: an output declares an artifact that no run could produce.
    """
    for name, variable in sorted(interface.outputs.variables.items()):
        if variable.HasField("artifact_tag"):
            raise InvalidRequest(f"output {name} has an artifact tag; tags are not supported, use a partition")
        if variable.HasField("artifact_partial_id"):
            _check_id(name, variable.artifact_partial_id, interface.inputs.variables, task=task)


def declared(interface: interface_pb2.TypedInterface) -> dict[str, interface_pb2.Variable]:
    """Return the outputs that are artifacts."""
    return {
        name: variable
        for name, variable in sorted(interface.outputs.variables.items())
        if variable.HasField("artifact_partial_id")
    }


def _check_id(output: str, partial: artifact_id_pb2.ArtifactID, inputs: Variables, *, task: bool) -> None:
    if not partial.artifact_key.name:
        raise InvalidRequest(f"the artifact of output {output} has no name")
    validation.check_length(
        partial.artifact_key.name, f"the name of the artifact of output {output}", values.MAX_CHARACTERS
    )
    if partial.version:
        raise InvalidRequest(
            f"the artifact of output {output} has the version [{partial.version}]; versions are given when it is made"
        )
    if len(partial.partitions.value) > values.MAX_PARTITIONS:
        raise InvalidRequest(
            f"the artifact of output {output} has {len(partial.partitions.value)} partitions; the limit is "
            f"{values.MAX_PARTITIONS}"
        )
    for key, value in sorted(partial.partitions.value.items()):
        validation.check_length(key, f"the name of a partition of output {output}", values.MAX_CHARACTERS)
        if not key:
            raise InvalidRequest(f"the artifact of output {output} has a partition without a name")
        _check_partition(f"partition {key} of output {output}", value, inputs, task=task)
    if partial.HasField("time_partition"):
        _check_time(f"the time partition of output {output}", partial.time_partition, inputs, task=task)


def _check_partition(where: str, value: artifact_id_pb2.LabelValue, inputs: Variables, *, task: bool) -> None:
    kind = value.WhichOneof("value")
    if kind == "input_binding":
        bound = _input(where, value, inputs)
        if not is_bindable(bound.type):
            raise InvalidRequest(
                f"{where} is bound to input {value.input_binding.var} of type {types.text(bound.type)}; bind it to an "
                "integer, a float, a text, a boolean or a datetime"
            )
    elif not (kind == "static_value" and value.static_value) and not (kind == "runtime_binding" and task):
        raise InvalidRequest(f"{where} has no value; bind it to a text or to an input")


def _check_time(where: str, time: artifact_id_pb2.TimePartition, inputs: Variables, *, task: bool) -> None:
    check_granularity(where, time)
    kind = time.value.WhichOneof("value")
    if kind == "input_binding":
        bound = _input(where, time.value, inputs)
        if bound.type.simple != types_pb2.DATETIME:
            raise InvalidRequest(
                f"{where} is bound to input {time.value.input_binding.var} of type {types.text(bound.type)}; bind it "
                "to a datetime"
            )
    elif kind != "time_value" and not (kind == "runtime_binding" and task):
        raise InvalidRequest(f"{where} has no value; bind it to a datetime or to an input")


def is_bindable(literal_type: types_pb2.LiteralType) -> bool:
    """Whether an input of this type can be the value of a partition."""
    if literal_type.WhichOneof("type") == "enum_type":
        return True
    return literal_type.WhichOneof("type") == "simple" and literal_type.simple in values.BINDABLE


def check_granularity(where: str, time: artifact_id_pb2.TimePartition) -> None:
    """Refuse a granularity that is none. Raises ``InvalidRequest``."""
    if time.granularity and time.granularity not in values.GRANULARITIES:
        raise InvalidRequest(f"{where} has the unknown granularity {time.granularity}")


def _input(where: str, value: artifact_id_pb2.LabelValue, inputs: Variables) -> interface_pb2.Variable:
    name = value.input_binding.var
    if name not in inputs:
        raise InvalidRequest(f"{where} is bound to input {name}, which does not exist")
    return inputs[name]
