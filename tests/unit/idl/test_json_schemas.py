from typing import Any

import pytest

from flytetemporal.idl import json_schemas

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
