"""A development stack in the background, for programs: the demo, the tests, the check of the documentation."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from flytetemporal.cli.dev import home, privileges
from flytetemporal.cli.dev.home import Home
from flytetemporal.cli.problems import CommandFailed

FREE_PORTS = ("--grpc-port", "0", "--http-port", "0", "--temporal-port", "0", "--ui-port", "0")
START_SECONDS = 90.0
STOP_SECONDS = 45.0


@contextlib.contextmanager
def running(
    folder: Path, *, options: Sequence[str] = (), output: IO[bytes] | int | None = None
) -> Iterator[dict[str, Any]]:
    """Run a stack on free ports with its state in ``folder``; gives the content of its state file once it is ready.

    The user's own client configuration stays as it is. ``output`` takes what the command prints.

    Raises:
        CommandFailed: the stack did not start or did not stop cleanly.
    """
    command = [sys.executable, "-m", "flytetemporal.cli.main", "dev", "--home", str(folder), "--no-write-config"]
    process = subprocess.Popen(  # noqa: S603  our own command
        [*command, *FREE_PORTS, *options],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        preexec_fn=privileges.before_exec(signal.SIGTERM, unprivileged=False),
    )
    try:
        yield _wait_until_ready(Home(folder), process)
    finally:
        status = _stop(process)
    if status != 0:
        raise CommandFailed(f"the stack on {folder} ended with exit status {status}")


def _wait_until_ready(folder: Home, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CommandFailed(f"the stack on {folder.path} did not start (exit status {process.returncode})")
        state = home.read_state(folder)
        if state is not None and state["pid"] == process.pid and state["ready"]:
            return state
        time.sleep(0.02)
    raise CommandFailed(f"the stack on {folder.path} is not ready after {START_SECONDS:.0f} s; see {folder.logs}")


def _stop(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # Its children die with it.
        return process.wait()
