import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flytetemporal.cli import admin_calls
from flytetemporal.cli.commands import why
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts.v1 import operations_pb2


@click.command()
@admin_calls.with_admin
def echo(admin: admin_calls.Admin) -> None:
    identifier = admin.execution_id("e1")
    click.echo(f"{admin.target} {identifier.project}/{identifier.domain}/{identifier.name}")


def test_a_running_stack_takes_precedence_over_the_client_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))
    state_folder.write_state(StateFolder(tmp_path), {"pid": os.getpid(), "grpc_endpoint": "localhost:18089"})

    assert admin_calls.endpoint(tmp_path) == "localhost:18089"


def test_the_default_configuration_file_is_read_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".flyte").mkdir()
    (tmp_path / ".flyte" / "config.yaml").write_text("admin:\n  endpoint: flyte.example.com:81\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FLYTECTL_CONFIG", raising=False)

    assert admin_calls.endpoint(tmp_path) == "flyte.example.com:81"


@pytest.mark.parametrize("given", [["--home", "{folder}"], ["--endpoint", "localhost:18089"]])
def test_a_command_calls_the_stack_or_the_endpoint_that_is_named(tmp_path: Path, given: list[str]) -> None:
    state_folder.write_state(StateFolder(tmp_path), {"pid": os.getpid(), "grpc_endpoint": "localhost:18089"})

    done = CliRunner().invoke(echo, [word.format(folder=tmp_path) for word in given])

    assert done.output == "localhost:18089 flytesnacks/development/e1\n"


def test_a_named_folder_without_a_running_stack_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(echo, ["--home", str(tmp_path)])

    assert done.exit_code == 1
    assert f"no stack runs on {tmp_path}" in done.output


def test_the_endpoint_comes_from_the_client_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin:\n  endpoint: dns:///flyte.example.com:443\n")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert admin_calls.endpoint(tmp_path) == "flyte.example.com:443"


@pytest.mark.parametrize("content", ["", "storage: {}", "admin: nothing", "admin: {endpoint: }", "- admin"])
def test_without_an_endpoint_in_the_configuration_the_default_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(content)
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    assert admin_calls.endpoint(tmp_path) == admin_calls.DEFAULT_ENDPOINT


def test_an_unreadable_configuration_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("admin: [")
    monkeypatch.setenv("FLYTECTL_CONFIG", str(path))

    with pytest.raises(CommandError, match=r"config\.yaml.*--endpoint"):
        admin_calls.endpoint(tmp_path)


def test_an_unreachable_server_is_one_line() -> None:
    with pytest.raises(CommandError, match=r"127\.0\.0\.1:1 does not answer: the connection is refused"):
        admin_calls.call(
            "127.0.0.1:1", why.EXPLAIN, operations_pb2.ExplainRequest(), operations_pb2.ExplainResponse, secure=False
        )


def test_an_answer_is_printed_line_by_line() -> None:
    answer = operations_pb2.ExplainResponse(
        phase="RUNNING", notes=["no worker polls"], waits=[operations_pb2.Wait(text="n1 waits for n0")], more=3
    )

    assert why.lines("e1", answer) == [
        "e1 is RUNNING",
        "  no worker polls",
        "  n1 waits for n0",
        "  and 3 more nodes; name a node to see it alone",
    ]
