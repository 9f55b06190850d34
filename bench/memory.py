"""Resident memory of the stack's processes."""

import os
from collections.abc import Mapping
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def megabytes(processes: Mapping[str, int]) -> dict[str, float]:
    """Return MiB by process name, including all descendants of the process."""
    parents = _parents()
    return {name: sum(_resident(pid) for pid in _family(pid, parents)) / 2**20 for name, pid in processes.items()}


def _parents() -> dict[int, int]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # The process has ended since the glob.
            continue
        found[int(folder.name)] = int(fields[1])
    return found


def _family(pid: int, parents: Mapping[int, int]) -> list[int]:
    children = [child for child, parent in parents.items() if parent == pid]
    return [pid, *(member for child in children for member in _family(child, parents))]


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0
