from typing import Any

import pytest

from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import json_schemas
from tests.fixtures.effort import calls

INT = {"type": "integer"}
STR = {"type": "string"}


def record(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


RECURSIVE = {"$ref": "#/$defs/Tree", "$defs": {"Tree": record(value=INT, left={"$ref": "#/$defs/Tree"})}}
RENAMED = {"$ref": "#/definitions/T", "definitions": {"T": record(value=INT, left={"$ref": "#/definitions/T"})}}


@pytest.mark.parametrize(
    ("downstream", "upstream", "expected"),
    [
        (record(a=INT), record(a=INT, b=STR), True),
        (record(a=INT, b=STR), record(a=INT), False),
        (record(a=record(x=INT)), record(a=record(x=INT, y=INT)), True),
        (record(a=record(x=INT)), record(a=record(x=STR)), False),
        (record(a={"type": "number"}), record(a=INT), True),
        (record(a=INT), record(a={"type": "number"}), False),
        (record(a={"anyOf": [INT, {"type": "null"}]}), record(a=INT), True),
        (record(a=INT), record(a={"anyOf": [INT, {"type": "null"}]}), False),
        (record(a={"anyOf": [INT, STR]}), record(a={"anyOf": [STR, INT]}), True),
        (record(a={"type": ["integer", "null"]}), record(a=INT), True),
        (record(a={"type": "array", "items": INT}), record(a={"type": "array", "items": STR}), False),
        (record(a={"type": "array", "items": INT}), record(a={"type": "array", "items": INT}), True),
        (record(a={"enum": ["x", "y"]}), record(a={"enum": ["x"]}), True),
        (record(a={"enum": ["x"]}), record(a={"enum": ["x", "y"]}), False),
        (record(a={"const": "x"}), record(a={"const": "x"}), True),
        (record(a={"enum": ["x"]}), record(a=STR), False),
        (record(a={}), record(a=STR), True),
        (record(a=True), record(a=STR), True),
        ({**record(a=INT), "title": "A"}, {**record(a=INT), "title": "B", "required": ["a"]}, True),
        (RECURSIVE, RENAMED, True),
        (RECURSIVE, record(value=INT), False),
        ({"$ref": "#/nowhere"}, {"$ref": "#/nowhere"}, True),
    ],
)
def test_a_schema_accepts_what_it_can_read(downstream: Any, upstream: Any, expected: bool) -> None:
    assert json_schemas.accepts(downstream, upstream) is expected


def shared(levels: int, leaf: dict[str, Any]) -> dict[str, Any]:
    """Return a schema in which each definition refers to the next one twice: 2 ** levels ways to the leaf."""
    definitions: dict[str, Any] = {f"L{levels}": leaf}
    for level in range(levels):
        below = {"$ref": f"#/$defs/L{level + 1}"}
        definitions[f"L{level}"] = record(left=below, right=below)
    return {"$ref": "#/$defs/L0", "$defs": definitions}


@pytest.mark.parametrize(("leaf", "expected"), [(INT, True), (STR, False)])
def test_shared_definitions_are_compared_once(leaf: dict[str, Any], expected: bool) -> None:
    downstream, upstream = shared(40, INT), shared(40, leaf)

    assert json_schemas.accepts(downstream, upstream) is expected
    assert calls(lambda: json_schemas.accepts(downstream, upstream)) < 20_000


def test_what_was_accepted_on_an_assumption_that_failed_is_compared_again() -> None:
    # To compare A, B is compared inside it, on the assumption that A is accepted; then A is refused for its value.
    def document(value: dict[str, Any]) -> dict[str, Any]:
        a = record(b={"$ref": "#/$defs/B"}, value=value)
        b = record(a={"$ref": "#/$defs/A"})
        return {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}], "$defs": {"A": a, "B": b}}

    assert json_schemas.accepts(document(INT), document(INT))
    assert not json_schemas.accepts(document(INT), document(STR))


def test_references_that_lead_too_deep_are_refused() -> None:
    chain = {f"L{level}": record(below={"$ref": f"#/$defs/L{level + 1}"}) for level in range(5000)}
    schema = {"$ref": "#/$defs/L0", "$defs": chain}
    other = {"$ref": "#/$defs/L0", "$defs": dict(chain)}

    with pytest.raises(InvalidRequest, match="more than 100 levels deep"):
        json_schemas.accepts(schema, other)


@pytest.mark.parametrize(
    "broken",
    [
        {"properties": 1}, {"properties": [1]}, {"type": [[]]}, {"type": 1}, {"type": {}}, {"anyOf": 1},
        {"anyOf": None}, {"enum": 1}, {"items": 3}, {"$ref": 1}, {"$ref": "#/none"}, {"$ref": "#"},
        {"oneOf": [1, "a", None]},
    ],
)  # fmt: skip
def test_a_broken_schema_is_compared_without_an_error(broken: dict[str, Any]) -> None:
    for other in (broken, INT, record(a=INT), {}, True, False):
        json_schemas.accepts(broken, other)
        json_schemas.accepts(other, broken)
