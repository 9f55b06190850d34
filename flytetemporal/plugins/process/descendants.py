"""Processes that a task has left behind. Linux only: elsewhere none are found, and only the process group is killed."""

import contextlib
import os
import signal
from collections.abc import Iterator

from flytetemporal.plugins.local.process_ownership import TAG_VARIABLE


def tagged(tag: str, among: list[int] | None = None) -> Iterator[int]:
    """Yield the ids of the processes, of all or of those in ``among``, that have ``tag`` in their environment."""
    mark = f"{TAG_VARIABLE}={tag}".encode()
    for pid in _all() if among is None else among:
        # The process may have ended, or belong to another user.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if mark in file.read().split(b"\0"):
                yield pid


def kill_tagged(tag: str, among: list[int] | None = None) -> None:
    """Kill the processes that ``tagged`` yields."""
    for pid in tagged(tag, among):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def children() -> list[int]:
    """Return the children of this process, adopted ones included."""
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
