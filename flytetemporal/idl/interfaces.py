"""Match values to a declared interface: the inputs of a launch."""

from flyteidl.core import interface_pb2, literals_pb2
from google.protobuf import timestamp_pb2

from flytetemporal import errors
from flytetemporal.idl import types

# The range of google.protobuf.Timestamp: year 1 to year 9999.
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799
_NANOS_LIMIT = 1_000_000_000


def launch_inputs(
    expected: interface_pb2.ParameterMap, fixed: literals_pb2.LiteralMap, given: literals_pb2.LiteralMap
) -> literals_pb2.LiteralMap:
    """Return all inputs of a launch: the given ones, defaults for the rest, and the fixed inputs.

    Raises:
        InvalidRequest: a value is missing, unknown, malformed or of the wrong type.
    """
    check_literals(given, "inputs")
    inputs = literals_pb2.LiteralMap()
    for name in sorted(given.literals):
        if name not in expected.parameters:
            raise errors.InvalidRequest(f"invalid input {name}")
        inputs.literals[name].CopyFrom(given.literals[name])
    for name in sorted(expected.parameters):
        parameter = expected.parameters[name]
        if name in given.literals:
            _check_type(name, given.literals[name], parameter)
        elif parameter.WhichOneof("behavior") == "default":
            inputs.literals[name].CopyFrom(parameter.default)
        else:
            raise errors.InvalidRequest(f"expected_inputs {name} missing")
    for name in sorted(fixed.literals):
        if name in inputs.literals:
            raise errors.InvalidRequest(f"fixed_inputs {name} cannot be overridden")
        inputs.literals[name].CopyFrom(fixed.literals[name])
    return inputs


def check_literals(values: literals_pb2.LiteralMap, field: str) -> None:
    """Check that names are not empty, literals have a value, and datetimes are in range.

    Raises:
        InvalidRequest: a check fails; ``field`` names the map in the text.
    """
    for name in sorted(values.literals):
        if not name:
            raise errors.InvalidRequest(f"missing key in {field}")
        _check_literal(values.literals[name], f"{field} {name}")


def _check_literal(literal: literals_pb2.Literal, where: str) -> None:
    match literal.WhichOneof("value"):
        case None:
            raise errors.InvalidRequest(f"missing valid literal in {where}")
        case "collection":
            for element in literal.collection.literals:
                _check_literal(element, where)
        case "map":
            for element in literal.map.literals.values():
                _check_literal(element, where)
        case "offloaded_metadata" if not literal.offloaded_metadata.uri:
            raise errors.InvalidRequest(f"missing uri of the offloaded literal in {where}")
        case "scalar" if literal.scalar.primitive.WhichOneof("value") == "datetime":
            _check_datetime(literal.scalar.primitive.datetime, where)
        case _:
            return


def _check_datetime(moment: timestamp_pb2.Timestamp, where: str) -> None:
    if not (_FIRST_SECOND <= moment.seconds <= _LAST_SECOND and 0 <= moment.nanos < _NANOS_LIMIT):
        raise errors.InvalidRequest(
            f"invalid datetime in {where}: {moment.seconds} seconds and {moment.nanos} nanos are out of range"
        )


def _check_type(name: str, literal: literals_pb2.Literal, parameter: interface_pb2.Parameter) -> None:
    wanted = parameter.var.type
    try:
        found = types.infer(literal)
    except errors.InvalidRequest as error:
        raise errors.InvalidRequest(
            f"Failed to validate literal type for [{name}] with err: {error.message}"
        ) from error
    if not types.castable(found, wanted):
        raise errors.InvalidRequest(
            f"invalid {name} input wrong type. Expected {types.text(wanted)}, but got {types.text(found)}"
        )
