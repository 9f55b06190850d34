"""Templates in the arguments of task containers: ``{{.input}}``, ``{{.outputPrefix}}``, ``{{.inputs.x}}``, ... Pure.

Replacement is textual inside each argument: arguments are never split or dropped. The rules mirror flyteplugins'
pluginmachinery/core/template/template.go.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import msgpack
from flyteidl.core import literals_pb2

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import attribute_paths, locations

_TEMPLATE = re.compile(r"\{\{\s*[.$](?P<name>[A-Za-z]+)(?:\.(?P<variable>[^}\s]+))?\s*\}\}")
_TASK_TEMPLATE = "tasktemplatepath"
_decode: Callable[..., object] = msgpack.loads


@dataclass(frozen=True, slots=True)
class Places:
    """The places of an attempt's files, and its names."""

    data_dir: str
    inputs: str
    """The file of the inputs; for the oldest tasks of type container_array, its directory."""
    output_dir: str
    raw_output_dir: str
    previous_checkpoint_dir: str
    generated_name: str
    namespace: str

    @property
    def task_template_uri(self) -> str:
        """The URI of the task's template, which is only stored if a command names it."""
        return locations.join(self.data_dir, "task.pb")

    def values(self) -> Mapping[str, str]:
        """Return the value of each template variable, by lower-case name."""
        places = {
            "input": self.inputs,
            "inputprefix": self.data_dir,
            "outputprefix": self.output_dir,
            "rawoutputdataprefix": self.raw_output_dir,
            "checkpointoutputprefix": locations.checkpoint_dir(self.raw_output_dir),
            "prevcheckpointprefix": self.previous_checkpoint_dir or '""',
            _TASK_TEMPLATE: self.task_template_uri,
        }
        # flytekit takes a file:// URI for a path on the local disk, and does not find it there.
        local = {name: place.removeprefix("file://") for name, place in places.items()}
        return {**local, "perretryuniquekey": unique_key(self.generated_name), "namespace": self.namespace}


def render(arguments: Iterable[str], places: Places, inputs: literals_pb2.LiteralMap) -> tuple[str, ...]:
    """Return the arguments with their templates replaced; unknown names stay as they are.

    Raises:
        InvalidRequest: an argument names an input that does not exist or has no text form.
    """
    values = places.values()

    def replace(match: re.Match[str]) -> str:
        name, variable = match["name"].lower(), match["variable"]
        if variable is None:
            return values.get(name, match[0])
        if name != "inputs" or not inputs.literals:
            return match[0]
        return _input_text(variable, inputs)

    return tuple(_TEMPLATE.sub(replace, argument) for argument in arguments)


def inputs_named(arguments: Iterable[str]) -> set[str]:
    """Return the names of the inputs whose values are used in the arguments."""
    matches = (match for argument in arguments for match in _TEMPLATE.finditer(argument))
    return {match["variable"] for match in matches if match["name"].lower() == "inputs" and match["variable"]}


def wants_task_template(arguments: Iterable[str]) -> bool:
    """Whether an argument names the file of the task's template, which has to be written then."""
    matches = (match for argument in arguments for match in _TEMPLATE.finditer(argument))
    return any(match["name"].lower() == _TASK_TEMPLATE for match in matches)


def bound_names(arguments: Sequence[str]) -> frozenset[str]:
    """Return the inputs that flytekit's map task is not mapped over, from the arguments ``vars a,b resolver ...``."""
    for word, names in itertools.pairwise(arguments):
        if word == "vars":
            return frozenset(filter(None, names.split(",")))
    return frozenset()


def unique_key(name: str) -> str:
    """Return ``name`` as an identifier for SQL and the like: letters, digits and underscores, no digit first."""
    return re.sub(r"[^a-zA-Z0-9_]+", "_", re.sub(r"^[^a-zA-Z_]+", "a", name))


def literal_text(literal: literals_pb2.Literal) -> str:
    """Return the text that stands for a literal in an argument.

    Raises:
        InvalidRequest: the literal's kind has no text (maps, structures, datasets, unions, nothing).
    """
    if literal.WhichOneof("value") == "collection":
        return "[" + ",".join(literal_text(element) for element in literal.collection.literals) + "]"
    if literal.WhichOneof("value") != "scalar":
        raise InvalidRequest(f"a literal of kind [{literal.WhichOneof('value')}] has no text form")
    return _scalar_text(literal.scalar)


def _input_text(variable: str, inputs: literals_pb2.LiteralMap) -> str:
    if variable not in inputs.literals:
        raise InvalidRequest(f"the command names input [{variable}], but the task has no such input")
    try:
        return literal_text(inputs.literals[variable])
    except InvalidRequest as error:
        raise InvalidRequest(f"the command names input [{variable}]: {error.message}") from error


def _scalar_text(scalar: literals_pb2.Scalar) -> str:
    match scalar.WhichOneof("value"):
        case "primitive":
            return _primitive_text(scalar.primitive)
        case "blob":
            return scalar.blob.uri
        case "schema":
            return scalar.schema.uri
        case "binary" if scalar.binary.tag == attribute_paths.MSGPACK:
            return _go_text(_decode(scalar.binary.value, strict_map_key=False))
        case kind:
            raise InvalidRequest(f"a scalar of kind [{kind}] has no text form")


def _primitive_text(primitive: literals_pb2.Primitive) -> str:
    match primitive.WhichOneof("value"):
        case "integer":
            return str(primitive.integer)
        case "float_value":
            return _decimal_text(primitive.float_value)
        case "string_value":
            return primitive.string_value
        case "boolean":
            return "true" if primitive.boolean else "false"
        case "datetime":
            return primitive.datetime.ToJsonString()
        case "duration":
            parts = (("seconds", primitive.duration.seconds), ("nanos", primitive.duration.nanos))
            return " ".join(f"{name}:{value}" for name, value in parts if value)
        case _:
            raise InvalidRequest("an empty primitive has no text form")


def _decimal_text(value: float) -> str:
    if not math.isfinite(value):
        return _infinite_text(value)
    number = Decimal(repr(value))
    return f"{number.to_integral_value():f}" if number == number.to_integral_value() else f"{number:f}"


def _infinite_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "+Inf" if value > 0 else "-Inf"


def _go_text(value: object) -> str:
    """Return a decoded value as Go prints it: ``map[a:1 b:[x y]]``."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return str(value).lower()
        case dict():
            entries = sorted((_go_text(key), _go_text(entry)) for key, entry in value.items())
            return "map[" + " ".join(f"{key}:{entry}" for key, entry in entries) + "]"
        case list() | tuple() | bytes():
            return "[" + " ".join(_go_text(element) for element in value) + "]"
        case float():
            return _go_float(value)
        case _:
            return str(value)


def _go_float(value: float) -> str:
    """Return Go's ``%v`` of a float, which has an exponent below -4 and from 21 on."""
    if not math.isfinite(value) or value == 0:
        return _infinite_text(value) if value else "0"
    exponent = Decimal(repr(value)).adjusted()
    if -4 <= exponent < 21:
        return _decimal_text(value)
    digits = "".join(map(str, Decimal(repr(value)).normalize().as_tuple().digits))
    mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
    return f"{'-' if value < 0 else ''}{mantissa}e{exponent:+03d}"
