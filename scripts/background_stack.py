"""A development stack in the background: for the demo, the bench, the fault suite and the tests."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from flytetemporal.cli.commands.dev import PASSWORD_VARIABLE
from flytetemporal.cli.dev import privileges, state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError

FREE_PORTS = ("--grpc-port", "0", "--http-port", "0", "--temporal-port", "0", "--ui-port", "0")
START_SECONDS = 90.0
STOP_SECONDS = 45.0


@contextlib.contextmanager
def running(
    folder: Path, *, options: Sequence[str] = (), output: IO[bytes] | int | None = None
) -> Iterator[dict[str, Any]]:
    """Run a stack on free ports with its state in ``folder``; yield the content of its state file when it is ready.

    The URL of an embedded database has its password, which the state file has not. The user's client configuration is
    not changed. ``output`` receives what the command prints.

    Raises:
        CommandError: the stack did not start or did not stop cleanly.
    """
    command = [sys.executable, "-m", "flytetemporal.cli.main", "dev", "--home", str(folder), "--no-write-config"]
    password = secrets.token_hex(16)
    process = subprocess.Popen(
        [*command, *FREE_PORTS, *options],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**os.environ, PASSWORD_VARIABLE: password},
        start_new_session=True,
        preexec_fn=privileges.before_exec(signal.SIGTERM, unprivileged=False),
    )
    try:
        state = _wait_until_ready(StateFolder(folder), process)
        if "postgres" in state["processes"]:
            state["database_url"] = state["database_url"].replace("@", f":{password}@")
        yield state
    finally:
        status = _stop(process)
    if status != 0:
        raise CommandError(f"the stack on {folder} ended with exit status {status}")


def _wait_until_ready(folder: StateFolder, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandError(f"the stack on {folder.path} did not start (exit status {process.returncode})")
        state = state_folder.read_state(folder)
        if state is not None and state["pid"] == process.pid and state["ready"]:
            return state
        time.sleep(0.02)
    raise CommandError(f"the stack on {folder.path} is not ready after {START_SECONDS:.0f} s; see {folder.logs}")


def _stop(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # The kernel kills the children of the supervisor with it.
        process.kill()
        return process.wait()
