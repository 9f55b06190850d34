"""Kill processes of a stack with SIGKILL at random moments."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter, deque
from pathlib import Path

from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder

FORK_SERVER = "fork server"
# The weight of each choice, and the deaths per minute that its supervisor tolerates before it gives up.
TARGETS = {"worker": (4, 4), "admin": (3, 4), "temporal": (1, 2), "postgres": (1, 2), FORK_SERVER: (3, 20)}
_MODULE = b"flytetemporal.plugins.process.forkserver"


class Killer:
    """Kills processes until cancelled. ``kills`` counts them by name, ``moments`` holds the times, in epoch seconds."""

    def __init__(self, folder: Path, dice: random.Random, mean_seconds: float) -> None:
        self._home = StateFolder(folder)
        self._dice = dice
        self._mean = mean_seconds
        self._recent: dict[str, deque[float]] = {name: deque() for name in TARGETS}
        self.kills: Counter[str] = Counter()
        self.moments: list[float] = []

    async def run(self) -> None:
        """Kill until cancelled."""
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / self._mean))
            name = self._dice.choices(list(TARGETS), [weight for weight, _ in TARGETS.values()])[0]
            if self._may(name):
                self._kill(name)

    def _may(self, name: str) -> bool:
        recent, now = self._recent[name], time.monotonic()
        while recent and now - recent[0] > 60:
            recent.popleft()
        return len(recent) < TARGETS[name][1]

    def _kill(self, name: str) -> None:
        for pid in self._pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.kills[name] += 1
                self._recent[name].append(time.monotonic())
                self.moments.append(time.time())

    def _pids(self, name: str) -> list[int]:
        state = state_folder.read_state(self._home)
        processes = state["processes"] if state is not None else {}
        if name != FORK_SERVER:
            return [processes[name]] if processes.get(name) else []
        worker = processes.get("worker")
        return [pid for pid in _children(worker) if _MODULE in _command(pid)] if worker else []


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in path.read_text().split()]
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
