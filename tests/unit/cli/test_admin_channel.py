from pathlib import Path

import pytest

from flytetemporal.cli import admin_channel, why
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.contracts.v1 import operations_pb2


def test_the_client_configuration_says_where_admin_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert admin_channel.endpoint(tmp_path) == "flyte.example.com:443"


@pytest.mark.parametrize("content", ["", "storage: {}", "admin: nothing"])
def test_without_one_the_usual_port_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert admin_channel.endpoint(tmp_path) == admin_channel.DEFAULT


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin: [")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    with pytest.raises(CommandFailed, match=r"config\.yaml.*--endpoint"):
        admin_channel.endpoint(tmp_path)


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(CommandFailed, match=r"127\.0\.0\.1:1 answers UNAVAILABLE"):
        admin_channel.call(
            "127.0.0.1:1", why.EXPLAIN, operations_pb2.ExplainRequest(), operations_pb2.ExplainResponse, secure=False
        )


def test_an_answer_is_printed_line_by_line() -> None:
    answer = operations_pb2.ExplainResponse(
        phase="RUNNING", notes=["nothing goes on"], waits=[operations_pb2.Wait(text="n1 waits for n0")], more=3
    )

    assert why.lines("e1", answer) == [
        "e1 is RUNNING",
        "  nothing goes on",
        "  n1 waits for n0",
        "  and 3 more nodes; name one to ask for it alone",
    ]
