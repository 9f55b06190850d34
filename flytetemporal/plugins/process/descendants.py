"""Processes that a task has left behind. Linux only: elsewhere none are found, and only the process group is killed."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Set

from flytetemporal.plugins.local.process_ownership import TAG_VARIABLE

_PAUSE_SECONDS = 0.002


def tagged(tag: str) -> Iterator[int]:
    """Yield the ids of the processes that have ``tag`` in their environment."""
    mark = f"{TAG_VARIABLE}={tag}".encode()
    for pid in _all():
        # The process may have ended, or belong to another user.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                yield pid


def kill_tagged(tag: str) -> None:
    """Kill the processes that ``tagged`` yields."""
    for pid in tagged(tag):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_children(spared: Set[int], seconds: float) -> list[int]:
    """Kill the children of this process except ``spared``, and then their children, which this process adopts.

    Return those that still exist after ``seconds``: another user owns them, or the kernel cannot end them now.
    """
    deadline = time.monotonic() + seconds
    # A process that is killed can have forked just before, so only a round that finds none is the last one.
    while doomed := [pid for pid in children() if pid not in spared]:
        for pid in doomed:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        # Waiting without a limit would stop the server for a process that hangs in the kernel.
        gone = [os.waitpid(pid, os.WNOHANG)[0] for pid in doomed]
        if not any(gone):
            if time.monotonic() > deadline:
                return doomed
            time.sleep(_PAUSE_SECONDS)
    return []


def children() -> list[int]:
    """Return the children of this process, adopted ones and those that have ended included."""
    try:
        with open("/proc/thread-self/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except OSError:
        return []


def kill_group(leader: int, number: int = signal.SIGKILL) -> None:
    """Signal the process group of ``leader``, or only the leader if it has not made its group yet."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        with contextlib.suppress(ProcessLookupError):
            os.kill(leader, number)


def _all() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdecimal()]
    except OSError:
        return []
