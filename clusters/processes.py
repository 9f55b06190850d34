"""Server processes of a cluster, each with its own log."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from clusters.problems import ClusterError
from flytetemporal.cli.dev import privileges

# A crowded machine is slow to start servers.
START_SECONDS = 240.0
STOP_SECONDS = 30.0
# A death signal is sent when the thread that forked ends, not the process: servers are started by one thread that lives
# as long as the process does, so that a short-lived thread can start one, too.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="cluster-starter")


class Server:
    """A server process. It does not outlive this process, even if that is killed, unless it is ``detached``."""

    def __init__(self, command: Sequence[str], log: Path, *, detached: bool = False) -> None:
        self._command = command
        self._log = log
        self._detached = detached
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return Path(self._command[0]).name

    @property
    def pid(self) -> int:
        """The process id; 0 if it does not run."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        self._process = _STARTER.submit(self._spawn).result()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=None if self._detached else privileges.before_exec(signal.SIGKILL, unprivileged=False),
            )

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        """Return when ``ready`` holds.

        Raises:
            ClusterError: the process has ended, or it takes too long.
        """
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self._process is None or self._process.poll() is not None:
                raise ClusterError(f"{self.name} has ended before {what}; {self._last_words()}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{what}: not yet after {START_SECONDS:.0f} s; {self._last_words()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to stop; kill it if it does not."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """Kill it, as the kernel does when memory is short."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let it accept connections and answer nothing while the context is open."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-5:]
        return f"{self._log} ends in:\n" + "\n".join(lines)
