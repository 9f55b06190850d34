"""The checks that resources share say what is wrong in Flyte's words."""

import pytest
from flyteidl.admin import common_pb2
from flyteidl.core import execution_pb2, identifier_pb2

from flytetemporal import errors
from flytetemporal.admin.base import validation

W = execution_pb2.WorkflowExecution


def identifier(kind: str = "TASK", **changes: str) -> identifier_pb2.Identifier:
    fields = {"project": "p", "domain": "d", "name": "n", "version": "v"} | changes
    return identifier_pb2.Identifier(resource_type=kind, **fields)


def refusal(found: identifier_pb2.Identifier) -> str:
    with pytest.raises(errors.InvalidRequest) as raised:
        validation.check_identifier(found, identifier_pb2.TASK)
    return raised.value.message


@pytest.mark.parametrize("field", ["project", "domain", "name", "version"])
def test_ids_are_complete_and_fit_their_columns(field: str) -> None:
    assert refusal(identifier(**{field: ""})) == f"missing {field}"
    assert refusal(identifier(**{field: "x" * 256})) == f"{field} cannot exceed 255 characters"
    assert "NUL" in refusal(identifier(**{field: "a\0b"}))


def test_an_id_of_another_kind_is_named_whole() -> None:
    assert refusal(identifier("WORKFLOW")) == (
        "unexpected resource type workflow for identifier "
        '[resource_type:WORKFLOW project:"p" domain:"d" name:"n" version:"v"], expected task instead'
    )


def test_a_get_request_may_leave_out_the_kind_but_not_the_id() -> None:
    validation.check_get(identifier("UNSPECIFIED"), identifier_pb2.TASK, given=True)

    with pytest.raises(errors.InvalidRequest, match=r"^missing id$"):
        validation.check_get(identifier_pb2.Identifier(), identifier_pb2.TASK, given=False)


@pytest.mark.parametrize("kind", ["email", "slack", "pager_duty"])
def test_notifications_need_recipients_and_final_phases(kind: str) -> None:
    sent = common_pb2.Notification(phases=[W.SUCCEEDED])
    getattr(sent, kind).recipients_email.append("a@example.com")
    validation.check_notifications([sent])  # type: ignore[arg-type]

    sent.phases.append(W.RUNNING)
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for phase$"):
        validation.check_notifications([sent])  # type: ignore[arg-type]
    getattr(sent, kind).recipients_email.append("")
    with pytest.raises(errors.InvalidRequest, match=r"^missing recipients$"):
        validation.check_notifications([sent])  # type: ignore[arg-type]


def test_a_notification_of_no_kind_is_refused() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^invalid value for notification type$"):
        validation.check_notifications([common_pb2.Notification()])  # type: ignore[arg-type]
