"""One process of the development stack: its start, readiness, restarts and stop."""

import asyncio
import contextlib
import enum
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from flytetemporal.cli.dev import privileges
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving import privacy

RESTART_DELAYS = (0.1, 0.5, 1.0, 2.0, 4.0)
RESTART_WINDOW_SECONDS = 60.0
PROBE_SECONDS = 0.02
# Variables of the supervisor alone.
PRIVATE_PREFIX = "FLYTETEMPORAL_DEV_"
MAX_LOG_BYTES = 20 * 1024 * 1024
TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to run a process."""

    name: str
    command: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """Settings that other processes of the user must not read: see ``cli.serving.privacy``."""
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """Sent by the kernel if the supervisor itself is killed."""
    grace_seconds: float = 15.0
    """From the stop signal to SIGKILL."""
    unprivileged: bool = False
    """Whether the program refuses to run as root."""
    prepare: Callable[[], Awaitable[None]] | None = None
    """Awaited before each start."""
    is_ready: Callable[[], bool] | None = None
    """Polled until it is true. Without it the process sends a notification (see ``cli.serving.notifications``)."""


class Phase(enum.StrEnum):
    """The phase of a child process."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


class ChildProcess:
    """A process that is restarted when it dies, until it is stopped.

    ``changed`` is called after each change of phase, status or process id.
    """

    def __init__(self, spec: ProcessSpec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.phase = Phase.STARTING
        self.status = ""
        self.restarts = 0
        self.ready = asyncio.Event()
        self.ready_seconds = 0.0
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        # Notifications that arrive while the process is being spawned, when its id is not known yet; else None.
        self._early: list[tuple[int, str, bool]] | None = None
        self._stopping = False
        self._started = 0.0
        self._exits: deque[float] = deque()
        # Where the newest start of the process begins in its log.
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process id; None while the process does not run."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def keep_running(self) -> None:
        """Run the process, and restart it after each exit, until it is stopped.

        Raises:
            CommandError: it exited before it was ever ready, or too often.
        """
        while not self._stopping:
            await self._run_once()
            if self._stopping:
                break
            await self._wait_before_restart()
        self._enter(Phase.STOPPED)

    def notified(self, pid: int, status: str, *, ready: bool) -> None:
        """Apply a notification if it comes from this process."""
        if self._early is not None:
            self._early.append((pid, status, ready))
            return
        if pid != self.pid:
            return
        self.status = status
        if ready:
            self._become_ready()
        self._changed()

    async def stop(self) -> None:
        """Send the stop signal, SIGKILL after the grace period, and SIGKILL to what is left of the process group."""
        self._stopping = True
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
        try:
            async with asyncio.timeout(self.spec.grace_seconds):
                await process.wait()
        except TimeoutError:
            self.kill()
            await process.wait()
        self._kill_group(process.pid)

    def kill(self) -> None:
        """Kill the process and its own children at once."""
        self._stopping = True
        if self._process is not None:
            self._kill_group(self._process.pid)

    async def _run_once(self) -> None:
        self._started = time.monotonic()
        if self.spec.prepare is not None:
            await self.spec.prepare()
        process = await self._spawn()
        self._changed()
        probe = asyncio.create_task(self._probe())
        try:
            await process.wait()
        finally:
            probe.cancel()
        self._kill_group(process.pid)

    async def _spawn(self) -> asyncio.subprocess.Process:
        # A fast process can send its notification before create_subprocess_exec has returned its id.
        early: list[tuple[int, str, bool]] = []
        self._early = early
        try:
            self._process = process = await self._execute()
        finally:
            self._early = None
        for pid, status, ready in early:
            self.notified(pid, status, ready=ready)
        return process

    async def _execute(self) -> asyncio.subprocess.Process:
        with _opened_log(self.spec.log) as log, _opened_input(self.spec.secrets) as stdin:
            self._log_start = log.tell()
            return await asyncio.create_subprocess_exec(
                *self.spec.command,
                stdin=stdin,
                stdout=log,
                stderr=log,
                env=self._environment(),
                # In its own session, Ctrl-C in the terminal reaches only the supervisor, which stops all in order.
                start_new_session=True,
                preexec_fn=privileges.before_exec(self.spec.death_signal, unprivileged=self.spec.unprivileged),
            )

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE_PREFIX)}
        received = {privacy.STDIN_VARIABLE: "1"} if self.spec.secrets else {}
        return {**inherited, **self.spec.environment, **received}

    async def _probe(self) -> None:
        if self.spec.is_ready is None:
            return
        while not self.spec.is_ready():  # noqa: ASYNC110  another process cannot set our event
            await asyncio.sleep(PROBE_SECONDS)
        self._become_ready()

    async def _wait_before_restart(self) -> None:
        code = self._process.returncode if self._process else None
        if not self.ready.is_set():
            raise CommandError(self._failure(code, "did not start"))
        now = time.monotonic()
        self._exits.append(now)
        while self._exits and now - self._exits[0] > RESTART_WINDOW_SECONDS:
            self._exits.popleft()
        if len(self._exits) > len(RESTART_DELAYS):
            raise CommandError(self._failure(code, f"died {len(self._exits)} times in a minute"))
        self.restarts += 1
        self.status = f"ended with {_reason(code)}"
        self._enter(Phase.RESTARTING)
        await asyncio.sleep(RESTART_DELAYS[len(self._exits) - 1])

    def _become_ready(self) -> None:
        self.ready_seconds = time.monotonic() - self._started
        self.ready.set()
        self._enter(Phase.READY)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._changed()

    def _failure(self, code: int | None, what: str) -> str:
        tail = "\n".join(f"    {line}" for line in log_tail(self.spec.log, start=self._log_start))
        end = f"The end of {self.spec.log}:\n{tail}" if tail else f"It has written nothing to {self.spec.log}"
        return f"{self.spec.name} {what} ({_reason(code)}). {end}"

    @staticmethod
    def _kill_group(pid: int) -> None:
        """Kill what is left of the process group: a restarted process must not meet children of the last one."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def log_tail(path: Path, lines: int = TAIL_LINES, start: int = 0) -> list[str]:
    """Return the last lines of a log file from an offset on; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(start, path.stat().st_size - 32 * 1024))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        return []


@contextlib.contextmanager
def _opened_input(secrets: Mapping[str, Any]) -> Iterator[int]:
    if not secrets:
        yield asyncio.subprocess.DEVNULL
        return
    with privacy.sent(secrets) as stdin:
        yield stdin.fileno()


@contextlib.contextmanager
def _opened_log(path: Path) -> Iterator[BinaryIO]:
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    with path.open("ab") as file:
        file.seek(0, os.SEEK_END)  # Python only knows the position of an appending file after that.
        yield file


def _reason(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"
