import json

import pytest
from flyteidl.admin import execution_pb2, project_pb2
from flyteidl.core import literals_pb2

from flytetemporal.errors import InvalidRequest
from flytetemporal.rpc import json_form


def test_unset_fields_are_written_out() -> None:
    document = json.loads(json_form.dumps(project_pb2.Project(id="p"), proto_names=False))

    assert document == {
        "id": "p", "name": "", "domains": [], "description": "", "labels": None, "state": "ACTIVE", "org": "",
    }  # fmt: skip


def test_unset_members_of_a_oneof_are_left_out() -> None:
    document = json.loads(json_form.dumps(execution_pb2.ExecutionClosure(), proto_names=False))

    assert "outputs" not in document
    assert document["computedInputs"] is None


def test_both_spellings_of_names() -> None:
    message = execution_pb2.ExecutionSpec(max_parallelism=3)

    assert json.loads(json_form.dumps(message, proto_names=True))["max_parallelism"] == 3
    assert json.loads(json_form.dumps(message, proto_names=False))["maxParallelism"] == 3


def test_values_of_maps_are_completed_too_and_long_integers_are_text() -> None:
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=5)))
    message = literals_pb2.LiteralMap(literals={"a": literal})

    document = json.loads(json_form.dumps(message, proto_names=False))

    assert document == {"literals": {"a": {"scalar": {"primitive": {"integer": "5"}}, "hash": "", "metadata": {}}}}


@pytest.mark.parametrize("body", [b'{"launch_plan": {"name": "x"}}', b'{"launchPlan": {"name": "x"}}'])
def test_a_body_is_understood_in_both_spellings(body: bytes) -> None:
    spec = execution_pb2.ExecutionSpec()

    json_form.parse(body, spec)

    assert spec.launch_plan.name == "x"


@pytest.mark.parametrize(("body", "text"), [(b"{", "unexpected EOF"), (b"", "unexpected EOF"), (b"{]", "syntax error")])
def test_a_body_that_is_no_json_is_refused(body: bytes, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        json_form.parse(body, execution_pb2.ExecutionSpec())


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="colour"):
        json_form.parse(b'{"colour": 1}', execution_pb2.ExecutionSpec())
