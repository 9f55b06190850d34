"""Which worker a task process belongs to. A process whose worker is gone is an orphan and is killed.

Orphans are rare: a task dies with its fork server, and the fork server with its worker. But if both are killed at once,
processes survive that a task has started in another process group. Linux only: elsewhere no orphans are found.
"""

import contextlib
import functools
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TAG_VARIABLE = "FLYTETEMPORAL_ATTEMPT"
"""In the environment of every process of an attempt: the attempt's key."""
LEASE_VARIABLE = "FLYTETEMPORAL_LEASE"
"""In the same environment: the lease of the worker that runs the attempt."""
LEASE_FILE = "lease"
_PROC = Path("/proc")
# Fields 3 and 22 of /proc/PID/stat, counted from after the process name, which can contain spaces and parentheses.
_STATE, _START_TIME = 0, 19
# A dead process keeps its entry until its parent reads how it ended, which in a container may be never.
_DEAD = ("Z", "X")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A process that was killed because its worker is gone."""

    pid: int
    tag: str
    holder: str


@functools.cache
def mine() -> str:
    """Return the lease of this process: boot, process id and start time, which together no other process has."""
    return _lease(os.getpid())


def kill_orphans(work_dir: str) -> list[Orphan]:
    """Kill the task processes of dead workers of ``work_dir``, and return them. Other workers look for their own."""
    killed = []
    for pid, environment in _task_processes():
        holder = environment.get(LEASE_VARIABLE, "")
        if not holder or not environment.get("TMPDIR", "").startswith(f"{work_dir}/") or is_held(holder):
            continue
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            killed.append(Orphan(pid, environment.get(TAG_VARIABLE, ""), holder))
    return killed


def remove_folders(runs: Path) -> list[Path]:
    """Remove the folders of attempts whose worker is gone; ``runs`` has one folder per attempt."""
    removed = []
    for path in runs.glob(f"*/{LEASE_FILE}"):
        try:
            holder = path.read_text()
        except OSError:
            continue  # Its own worker is removing it.
        if not is_held(holder):
            shutil.rmtree(path.parent, ignore_errors=True)
            removed.append(path.parent)
    return removed


def _lease(pid: int) -> str:
    return f"{_boot()}/{pid}/{_started(pid)}"


def is_held(lease: str) -> bool:
    """Whether the process of a lease may exist. If that is unknown it counts as existing, so nothing is killed."""
    boot, _, rest = lease.partition("/")
    pid = rest.partition("/")[0]
    # Nothing is known of a lease of another boot, or of one that this module has not written.
    return boot != _boot() or not pid.isdecimal() or _lease(int(pid)) == lease


def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Return when a process started, in ticks; empty if there is none, or if it is dead."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in _DEAD else fields[_START_TIME]


def _task_processes() -> list[tuple[int, Mapping[str, str]]]:
    found: list[tuple[int, Mapping[str, str]]] = []
    for path in _PROC.glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if LEASE_VARIABLE.encode() in content:
            pairs = (item.partition("=") for item in content.decode(errors="replace").split("\0"))
            found.append((int(path.parent.name), {name: value for name, _, value in pairs}))
    return found
