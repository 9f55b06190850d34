"""What the commands that edit an execution say when a pause keeps their effect waiting."""

import pytest
from click.testing import CliRunner
from google.protobuf.message import Message

from flytetemporal.cli import main
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.contracts.v1 import edits_pb2, pauses_pb2

Target = pauses_pb2.PauseTarget


def said(monkeypatch: pytest.MonkeyPatch, node: str, *paused: Target) -> str:
    """Return what a retry prints while something is paused."""
    pauses = [pauses_pb2.Pause(target=target) for target in paused]

    def call(_: Admin, __: str, ___: Message, response: type[Message]) -> Message:
        if response is pauses_pb2.ListPausesResponse:
            return pauses_pb2.ListPausesResponse(pauses=pauses)
        return edits_pb2.EditResponse(revision=3)

    monkeypatch.setattr(Admin, "call", call)
    result = CliRunner().invoke(main.main, ["retry", "e1", node, "--endpoint", "127.0.0.1:1", "--by", "ada"])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def of_node(node: str, execution: str = "e1") -> Target:
    return Target(kind=Target.NODE, project="flytesnacks", domain="development", name=execution, node_id=node)


def test_a_retry_runs_at_once_if_nothing_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, "n1") == "n1 runs again (revision 3)"


@pytest.mark.parametrize(
    ("node", "target", "name"),
    [
        ("n1", Target(kind=Target.EXECUTION, name="e1"), "execution e1"),
        ("n1", Target(kind=Target.PROJECT, project="p"), "project p"),
        ("n1", of_node("n1"), "node n1 of execution e1"),
        ("n1-0-n0", of_node("n1"), "node n1 of execution e1"),
        ("n1", of_node("n9", "parent"), "node n9 of execution parent"),
    ],
)
def test_a_retry_of_what_is_paused_says_for_what_it_waits(
    monkeypatch: pytest.MonkeyPatch, node: str, target: Target, name: str
) -> None:
    assert said(monkeypatch, node, target) == f"{node} runs again when it is resumed: {name} is paused (revision 3)"


@pytest.mark.parametrize("other", ["n10", "n1-0-n0", "n2"])
def test_pauses_of_other_nodes_do_not_matter(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    assert said(monkeypatch, "n1", of_node(other)) == "n1 runs again (revision 3)"
