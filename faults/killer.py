"""Kill processes of a stack with SIGKILL at random moments."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path

from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from scripts.s3_server import S3Server

FORK_SERVER = "fork server"
# The weight of each choice, and the deaths per minute that its supervisor tolerates before it gives up.
TARGETS = {"worker": (4, 4), "admin": (3, 4), "temporal": (1, 2), "postgres": (1, 2), FORK_SERVER: (3, 20)}
# Of the parts of the suite in which the control plane does the work. Its control worker runs in the process of admin.
CONTROL_PLANE = {name: TARGETS[name] for name in ("admin", "temporal", "postgres")}
STORE = "store"
# flytekit itself repeats its calls for half a minute; a store that starts again takes a few seconds more.
STORE_WEIGHT, STORE_DEATHS, STORE_AWAY_SECONDS = 2, 2, 40.0
_MODULE = b"flytetemporal.plugins.process.forkserver"


class Killer:
    """Kills processes until cancelled. ``kills`` counts them by name, ``moments`` holds the times, in epoch seconds.

    A supervisor starts again what it kills; it starts the store itself, some time later.
    """

    def __init__(
        self,
        folder: Path,
        dice: random.Random,
        mean_seconds: float,
        store: S3Server | None = None,
        targets: Mapping[str, tuple[int, int]] = TARGETS,
    ) -> None:
        self._home = StateFolder(folder)
        self._dice = dice
        self._mean = mean_seconds
        self._store = store
        self._targets = {**targets, **({STORE: (STORE_WEIGHT, STORE_DEATHS)} if store is not None else {})}
        self._recent: dict[str, deque[float]] = {name: deque() for name in self._targets}
        self._store_starts: asyncio.Task[None] | None = None
        self.kills: Counter[str] = Counter()
        self.moments: list[float] = []

    async def run(self) -> None:
        """Kill until cancelled."""
        while True:
            await asyncio.sleep(self._dice.expovariate(1 / self._mean))
            name = self._dice.choices(list(self._targets), [weight for weight, _ in self._targets.values()])[0]
            if not self._may(name):
                continue
            if name == STORE:
                self._kill_store(self._dice.uniform(0, STORE_AWAY_SECONDS))
            else:
                self._kill(name)

    async def wait_for_store(self) -> None:
        """Return when the store runs that was killed last."""
        if self._store_starts is not None:
            await self._store_starts

    def _kill_store(self, away_seconds: float) -> None:
        if self._store is None or (self._store_starts is not None and not self._store_starts.done()):
            return
        self._store.kill()
        self._count(STORE)
        self._store_starts = asyncio.create_task(self._start_store(self._store, away_seconds))

    async def _start_store(self, store: S3Server, away_seconds: float) -> None:
        await asyncio.sleep(away_seconds)
        await asyncio.to_thread(store.start)

    def _count(self, name: str) -> None:
        self.kills[name] += 1
        self._recent[name].append(time.monotonic())
        self.moments.append(time.time())

    def _may(self, name: str) -> bool:
        recent, now = self._recent[name], time.monotonic()
        while recent and now - recent[0] > 60:
            recent.popleft()
        return len(recent) < self._targets[name][1]

    def _kill(self, name: str) -> None:
        for pid in self._pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self._count(name)

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
