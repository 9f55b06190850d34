"""The request that the command sends: files of inputs, resources, and what tells one call from another."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from flytetemporal.cli import main
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.commands import fork as fork_command
from flytetemporal.contracts.v1 import fork_pb2


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[fork_pb2.ForkRequest]:
    """The requests of the commands that a test runs; each is answered as a dry run is."""
    requests: list[fork_pb2.ForkRequest] = []

    def call(_: Admin, __: str, request: fork_pb2.ForkRequest, ___: object) -> fork_pb2.ForkResponse:
        requests.append(request)
        return fork_pb2.ForkResponse(nodes=[fork_pb2.ForkedNode(node_id="n0", reused=True)], reused=3)

    monkeypatch.setattr(Admin, "call", call)
    return requests


def fork(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(main.main, ["fork", "e1", "--endpoint", "127.0.0.1:1", *arguments])
    assert result.exit_code == status, result.output
    return result.output


@pytest.mark.parametrize("text", ['{"a": 1, "day": "2026-01-02"}', "a: 1\nday: 2026-01-02\n"], ids=["JSON", "YAML"])
def test_inputs_are_a_file_of_plain_values(sent: list[fork_pb2.ForkRequest], tmp_path: Path, text: str) -> None:
    (tmp_path / "inputs").write_text(text)

    fork("--inputs", str(tmp_path / "inputs"))

    assert json.loads(sent[0].plain_inputs) == {"a": 1, "day": "2026-01-02"}


def test_inputs_are_literals_if_the_file_says_so(sent: list[fork_pb2.ForkRequest], tmp_path: Path) -> None:
    (tmp_path / "inputs").write_text('{"literals": {"a": {"scalar": {"primitive": {"integer": "5"}}}}}')

    fork("--inputs", str(tmp_path / "inputs"))

    assert sent[0].inputs.literals["a"].scalar.primitive.integer == 5
    assert not sent[0].plain_inputs


@pytest.mark.parametrize("text", ["{", "a: !!binary aGk=", '{"literals": {"a": {"scale": 1}}}'])
def test_a_file_that_cannot_be_read_is_named(sent: list[fork_pb2.ForkRequest], tmp_path: Path, text: str) -> None:
    (tmp_path / "inputs").write_text(text)

    assert f"cannot read the inputs of {tmp_path}/inputs" in fork("--inputs", str(tmp_path / "inputs"), status=1)
    assert not sent


def test_resources_name_node_and_quantity(sent: list[fork_pb2.ForkRequest]) -> None:
    fork("--set", "n0-0-n1.memory=8Gi", "--set", "n2.ephemeral-storage=1Gi")
    fork("--set", "memory=8Gi", status=2)

    assert list(sent[0].resources) == [
        fork_pb2.NodeResource(node_id="n0-0-n1", resource="memory", quantity="8Gi"),
        fork_pb2.NodeResource(node_id="n2", resource="ephemeral-storage", quantity="1Gi"),
    ]


def test_the_same_command_is_the_same_call_only_if_it_has_a_name(sent: list[fork_pb2.ForkRequest]) -> None:
    for arguments in (["--name", "e2"], ["--name", "e2"], ["--name", "e2", "--from", "n0"], [], []):
        fork(*arguments)

    ids = [request.request_id for request in sent]
    assert ids[0] == ids[1]
    assert len({*ids[1:]}) == 4


def test_nodes_that_are_not_listed_are_counted(sent: list[fork_pb2.ForkRequest]) -> None:
    assert fork("--dry-run").splitlines()[1:4] == [
        "n0          reused",
        "and 2 more nodes",
        "a fork of e1: 3 reused, 0 to run; nothing was started",
    ]
    assert sent[0].dry_run


def test_a_plan_says_which_elements_are_reused() -> None:
    node = fork_pb2.ForkedNode(
        node_id="n0", name="m", reason="it is FAILED in e1", reused_elements="0-1, 4", reused_element_count=3
    )

    lines = list(fork_command.lines("e1", fork_pb2.ForkResponse(nodes=[node], run_again=1)))

    assert lines[1].endswith("it is FAILED in e1; 3 elements reused: 0-1, 4")


def test_a_fork_that_runs_nothing_points_to_the_option_that_makes_nodes_run(sent: list[fork_pb2.ForkRequest]) -> None:
    result = CliRunner().invoke(main.main, ["fork", "e1", "--endpoint", "127.0.0.1:1", "-o", "json"])

    assert result.exit_code == 0
    assert len(sent) == 1
    assert "name it: --from NODE" in result.stderr
    assert json.loads(result.stdout)["reused"] == 3, "stdout has the answer alone"
