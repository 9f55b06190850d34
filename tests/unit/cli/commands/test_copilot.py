import base64
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flyteidl.core import errors_pb2, interface_pb2, literals_pb2, types_pb2

from flytetemporal.cli.main import main
from flytetemporal.idl import offloading
from tests.fixtures.task_attempts import integer, text
from tests.fixtures.waiting import wait_until

INTERFACE = base64.b64encode(
    interface_pb2.TypedInterface(
        outputs=interface_pb2.VariableMap(
            variables={"n": interface_pb2.Variable(type=types_pb2.LiteralType(simple=types_pb2.INTEGER))}
        )
    ).SerializeToString()
).decode()


def copilot(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["copilot", *arguments])


def upload(tmp_path: Path, interface: str = INTERFACE) -> Result:
    return copilot(
        *("upload", "--from-local-dir", f"{tmp_path}/out", "--to-output-prefix", f"{tmp_path}/meta"),
        *("--to-raw-output", f"{tmp_path}/raw", "--interface", interface),
    )


def test_inputs_are_written_as_files_in_the_requested_format(tmp_path: Path) -> None:
    inputs = literals_pb2.LiteralMap(literals={"n": integer(5)})
    (tmp_path / "inputs.pb").write_bytes(inputs.SerializeToString())

    done = copilot(
        "download", "--from-remote", f"{tmp_path}/inputs.pb", "--to-local-dir", f"{tmp_path}/in", "--format", "YAML"
    )

    assert done.exit_code == 0, done.output
    assert (tmp_path / "in" / "n").read_text() == "5"
    assert (tmp_path / "in" / "inputs.yaml").read_text() == "n: 5\n"


def test_offloaded_inputs_become_files_like_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTETEMPORAL_STORAGE__ROOT", str(tmp_path))
    offloaded = offloading.reference(text("far"), f"{tmp_path}/far.pb", None)
    (tmp_path / "far.pb").write_bytes(text("far").SerializeToString())
    (tmp_path / "inputs.pb").write_bytes(literals_pb2.LiteralMap(literals={"s": offloaded}).SerializeToString())

    done = copilot("download", "--from-remote", f"{tmp_path}/inputs.pb", "--to-local-dir", f"{tmp_path}/in")

    assert done.exit_code == 0, done.output
    assert (tmp_path / "in" / "s").read_text() == "far"


def test_missing_inputs_fail_the_command(tmp_path: Path) -> None:
    done = copilot("download", "--from-remote", f"{tmp_path}/gone.pb", "--to-local-dir", f"{tmp_path}/in")

    assert done.exit_code == 1
    assert "InputDownloadFailed" in done.output
    assert "gone.pb" in done.output


def test_files_become_outputs(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "n").write_text("6")

    done = upload(tmp_path)

    assert done.exit_code == 0, done.output
    outputs = literals_pb2.LiteralMap.FromString((tmp_path / "meta" / "outputs.pb").read_bytes())
    assert outputs.literals["n"] == integer(6)


def test_a_missing_file_becomes_an_error_document(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    done = upload(tmp_path)

    assert done.exit_code == 0, done.output
    document = errors_pb2.ErrorDocument.FromString((tmp_path / "meta" / "error.pb").read_bytes())
    assert document.error.code == "OutputUploadFailed"


@pytest.mark.parametrize("interface", ["not base64", base64.b64encode(b"\xff\xff").decode()])
def test_a_malformed_interface_is_refused(tmp_path: Path, interface: str) -> None:
    done = upload(tmp_path, interface)

    assert done.exit_code == 2
    assert "TypedInterface" in done.output


def test_a_side_container_uploads_what_the_task_has_left_when_it_gets_sigterm(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "flytetemporal.cli.main", "copilot", "upload", "--after-sigterm"]
    places = ["--from-local-dir", f"{tmp_path}/out", "--to-output-prefix", f"{tmp_path}/meta"]
    rest = ["--to-raw-output", f"{tmp_path}/raw", "--interface", INTERFACE]
    running = subprocess.Popen([*program, *places, *rest])
    # SIGCGT says which signals the program handles.
    wait_until(lambda: handles(running.pid, signal.SIGTERM))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "n").write_text("6")

    running.send_signal(signal.SIGTERM)

    assert running.wait() == 0
    outputs = literals_pb2.LiteralMap.FromString((tmp_path / "meta" / "outputs.pb").read_bytes())
    assert outputs.literals["n"] == integer(6)


def handles(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & 1 << (number - 1))
