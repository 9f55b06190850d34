import os
import subprocess
import sys
from pathlib import Path

import pytest

from flytetemporal.cli.commands import admin_channel, why
from flytetemporal.cli.dev import home
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.contracts.v1 import operations_pb2


def test_a_running_stack_comes_before_the_client_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))
    home.write_state(home.Home(tmp_path), {"pid": os.getpid(), "grpc_endpoint": "localhost:18089"})

    assert admin_channel.endpoint(tmp_path) == "localhost:18089"


def test_the_usual_configuration_is_read_when_no_other_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".flyte").mkdir()
    (tmp_path / ".flyte" / "config.yaml").write_text("admin:\n  endpoint: flyte.example.com:81\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FLYTECTL_CONFIG", raising=False)

    assert admin_channel.endpoint(tmp_path) == "flyte.example.com:81"


@pytest.mark.parametrize("command", ["why", "terminate"])
def test_the_commands_start_without_flytekit(command: str) -> None:
    program = f"import sys, flytetemporal.cli.commands.{command}; sys.exit('flytekit' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_client_configuration_says_where_admin_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert admin_channel.endpoint(tmp_path) == "flyte.example.com:443"


@pytest.mark.parametrize("content", ["", "storage: {}", "admin: nothing", "admin: {endpoint: }", "- admin"])
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
