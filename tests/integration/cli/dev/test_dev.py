import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError
from scripts import background_stack
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import HANG_SECONDS, wait_until


def dev(*options: str, timeout: float = HANG_SECONDS) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flytetemporal.cli.main", "dev", "--no-write-config", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"


def is_open(endpoint: str) -> bool:
    host, port = endpoint.rsplit(":", 1)
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
        return True
    return False


@pytest.fixture(scope="module")
def own_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StateFolder, dict[str, Any]]]:
    """A stack that the tests of this module can kill."""
    scratch = tmp_path_factory.mktemp("own-stack")
    folder = StateFolder(scratch / "home")
    with (scratch / "dev.log").open("wb") as output, background_stack.running(folder.path, output=output) as state:
        yield folder, state


def test_a_second_stack_on_the_same_folder_is_refused(stack: RunningStack) -> None:
    refused = dev("--home", str(stack.home), *background_stack.FREE_PORTS)

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"runs on {stack.home} already (pid {stack.pid})" in refused.stderr


def test_tls_is_refused_with_the_variable_that_asks_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE", "/own.crt")

    refused = dev("--home", str(tmp_path), *background_stack.FREE_PORTS)

    assert refused.returncode == 1
    assert "unset FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE" in refused.stderr


def test_a_bad_encryption_key_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_TEMPORAL__ENCRYPTION_KEYS", '{"first": "too-short"}')
    monkeypatch.setenv("FLYTETEMPORAL_TEMPORAL__ENCRYPTION_KEY_ID", "first")

    refused = dev("--home", str(tmp_path / "h"), *background_stack.FREE_PORTS)

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "the payloads cannot be encrypted" in refused.stderr
    assert "first" in refused.stderr
    assert not (tmp_path / "h").exists()


def test_a_port_in_use_is_named_with_its_option(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])

        refused = dev("--home", str(tmp_path / "h"), *background_stack.FREE_PORTS, "--http-port", port)

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"port {port} is not usable" in refused.stderr
    assert "--http-port" in refused.stderr


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    refused = dev("--home", str(tmp_path / "file" / "h"))

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "cannot write to the state folder" in refused.stderr


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"

    refused = dev("--home", str(tmp_path / "h"), "--database-url", url, *background_stack.FREE_PORTS)

    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "no Postgres answers at 127.0.0.1:1" in refused.stderr


def test_an_external_database_is_used(stack: RunningStack, tmp_path: Path) -> None:
    options = ("--database-url", stack.database_url)

    with (
        (tmp_path / "dev.log").open("wb") as output,
        background_stack.running(tmp_path / "home", options=options, output=output) as state,
    ):
        assert "postgres" not in state["processes"]
        address = stack.database_url.rpartition("@")[2]
        assert state["database_url"].endswith(f"flytetemporal@{address}")


@pytest.mark.parametrize("part", ["admin", "worker", "postgres", "temporal"])
def test_each_process_is_restarted_when_it_is_killed(own_stack: tuple[StateFolder, dict[str, Any]], part: str) -> None:
    folder, _ = own_stack
    state = state_folder.read_state(folder)
    assert state is not None
    first = state["processes"][part]

    os.kill(first, signal.SIGKILL)

    def replaced() -> bool:
        now = state_folder.read_state(folder)
        return now is not None and now["processes"][part] not in (None, first)

    wait_until(replaced)
    wait_until(lambda: is_open(state["grpc_endpoint"]) and is_open(state["temporal_address"]))


def test_everything_dies_with_the_supervisor_and_can_start_again(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    with (tmp_path / "dev.log").open("wb") as output:
        with contextlib.suppress(CommandError), background_stack.running(folder, output=output) as state:
            os.kill(state["pid"], signal.SIGKILL)

            wait_until(lambda: not any(alive(pid) for pid in state["processes"].values()))

        with background_stack.running(folder, output=output) as again:
            assert again["pid"] != state["pid"]


def test_a_stopped_stack_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "home"

    with (tmp_path / "dev.log").open("wb") as output, background_stack.running(folder, output=output) as state:
        pass

    assert not any(alive(pid) for pid in state["processes"].values())
    assert state_folder.read_state(StateFolder(folder)) is None


def test_status_and_doctor_find_the_stack(stack: RunningStack) -> None:
    for command in ("status", "doctor"):
        done = subprocess.run(
            [sys.executable, "-m", "flytetemporal.cli.main", command, "--home", str(stack.home)],
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )

        assert done.returncode == 0, done.stdout + done.stderr
        assert "sweeper" in done.stdout or "run in time" in done.stdout


def test_data_survives_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    project = {"project": {"id": "kept", "name": "kept"}}
    with (tmp_path / "dev.log").open("wb") as output:
        with background_stack.running(folder, output=output) as state:
            httpx.post(f"{state['http_url']}/api/v1/projects", json=project).raise_for_status()

        with background_stack.running(folder, output=output) as state:
            listed = httpx.get(f"{state['http_url']}/api/v1/projects").raise_for_status().json()

    assert "kept" in {project["id"] for project in listed["projects"]}


def test_two_signals_at_once_are_one_request_to_stop(tmp_path: Path) -> None:
    with (
        (tmp_path / "dev.log").open("wb") as output,
        background_stack.running(tmp_path / "home", output=output) as state,
    ):
        os.kill(state["pid"], signal.SIGTERM)

    assert "Stopping" in (tmp_path / "dev.log").read_text()
