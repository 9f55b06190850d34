"""CPU time and memory of the stack's processes."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def megabytes(processes: Mapping[str, int]) -> dict[str, float]:
    """Return the resident MiB by process name, including all descendants of the process."""
    parents = _parents()
    return {name: sum(_resident(pid) for pid in _family(pid, parents)) / 2**20 for name, pid in processes.items()}


def own_megabytes() -> float:
    """Return the resident MiB of this process, without its descendants."""
    return _resident(os.getpid()) / 2**20


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants, those included that have ended and were waited for."""
    # utime, stime, cutime and cstime follow the name, whose parentheses may hold spaces.
    return sum(sum(int(ticks) for ticks in _stat(member)[11:15]) for member in _family(pid, _parents())) / _TICKS


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    return _family(pid, _parents())


def largest_private_megabytes(pid: int) -> float:
    """Return the private MiB of the largest descendant without children: memory that a task does not share."""
    parents = _parents()
    family = _family(pid, parents)
    leaves = [member for member in family if member != pid and member not in parents.values()]
    return max((_private(member) for member in leaves), default=0) / 1024


def _parents() -> dict[int, int]:
    found = {int(folder.name): _stat(int(folder.name)) for folder in Path("/proc").glob("[0-9]*")}
    return {pid: int(fields[1]) for pid, fields in found.items() if fields}


def _family(pid: int, parents: Mapping[int, int]) -> list[int]:
    children = [child for child, parent in parents.items() if parent == pid]
    return [pid, *(member for child in children for member in _family(child, parents))]


def _stat(pid: int) -> Sequence[str]:
    """Return the fields of /proc/PID/stat after the name; none if the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _private(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
