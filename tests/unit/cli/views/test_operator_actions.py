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
