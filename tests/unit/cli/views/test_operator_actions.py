import json
from typing import Any

import pytest

from flytetemporal.cli.views import operator_actions
from flytetemporal.contracts.v1 import edits_pb2, pauses_pb2


def test_all_pauses_of_an_execution_are_named() -> None:
    answer = pauses_pb2.ListPausesResponse(
        pauses=[
            {"target": {"kind": "PROJECT", "project": "p", "domain": "d"}, "paused_by": "ada", "reason": "a move"},
            {"target": {"kind": "NODE", "name": "e", "node_id": "n1"}},
        ]
    )
    for pause in answer.pauses:
        pause.since.FromJsonString("2026-01-02T03:04:05Z")

    first, second = operator_actions.paused(answer).split("; ")

    assert first.startswith("project p, domain d by ada since 2026-01-02")
    assert first.endswith(": a move")
    assert second.startswith("node n1 of execution e since 2026-01-02")
    assert operator_actions.paused(pauses_pb2.ListPausesResponse()) == ""


def test_actions_are_listed_with_who_and_why() -> None:
    actions = edits_pb2.ListOperatorActionsResponse(
        actions=[
            {"action": "retry", "operator": "ada", "reason": "the file is there", "node_id": "n1"},
            {"action": "edit", "operator": "bob", "unanswered": True},
        ],
        token="2",
    )

    text = "\n".join(operator_actions.actions(actions))

    assert "ada" in text
    assert "the file is there" in text
    assert "no answer was heard" in text
    assert "and older ones than these 2" in text
    assert list(operator_actions.actions(edits_pb2.ListOperatorActionsResponse())) == []


@pytest.mark.parametrize(
    ("action", "details", "words"),
    [
        ("edit", {"max_parallelism": 0, "revision": 3}, "max parallelism 0"),
        ("edit", {"on_failure": "hold"}, "on failure hold"),
        (
            "edit",
            {"resources": {"memory": "8Gi"}, "retries": 5, "timeout": "90s"},
            "retries 5, timeout 90s, memory 8Gi",
        ),
        ("skip", {"revision": 1}, "ends with given outputs"),
        ("fork", {"fork": "e2", "from_nodes": ["n1", "n2"], "request_id": "r"}, "into e2 from n1, n2"),
        ("fork", {"fork": "e2", "from_nodes": []}, "into e2"),
        ("pause", {"kind": "EXECUTION", "stop_running": True}, "stops attempts that run"),
        ("pause", {"kind": "EXECUTION", "stop_running": False}, ""),
        ("retry", {"revision": 2}, ""),
    ],
)
def test_an_action_is_listed_with_what_it_changed(action: str, details: dict[str, Any], words: str) -> None:
    found = edits_pb2.OperatorAction(action=action, operator="ada", details=json.dumps(details))

    assert operator_actions.changes(found) == words
    *_, line = operator_actions.actions(edits_pb2.ListOperatorActionsResponse(actions=[found]))
    assert line.endswith(words)


def test_only_the_newest_actions_are_listed() -> None:
    found = edits_pb2.ListOperatorActionsResponse(actions=[{"action": "edit", "operator": "ada"}] * 51)

    assert list(operator_actions.actions(found))[-1] == "and older ones than these 50"


def test_a_skip_that_was_applied_tells_who_gave_the_outputs_of_a_node() -> None:
    actions = [
        edits_pb2.OperatorAction(action="skip", node_id="n1", operator="ada"),
        edits_pb2.OperatorAction(action="skip", node_id="n2", operator="ada", unanswered=True),
        edits_pb2.OperatorAction(action="skip", node_id="n3"),
        edits_pb2.OperatorAction(action="retry", node_id="n4", operator="ada"),
    ]

    assert operator_actions.given_outputs(actions) == {
        "n1": "outputs given by ada",
        "n3": "outputs given by an operator",
    }
