"""Memory limits of task processes, and how to tell that the kernel ran out of memory."""

import contextlib
import os
import resource
from pathlib import Path

# The OOM killer takes a task before it takes the worker or a database.
_OOM_SCORE = "500"


def prefer_as_victim() -> None:
    """Offer this process to the kernel's OOM killer first; only Linux has one."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE)


def limit_memory(limit_bytes: int) -> None:
    """Let this process allocate ``limit_bytes`` on top of what it has: more raises MemoryError.

    Private writable memory counts (RLIMIT_DATA); reserved and file-backed address space does not, of which Python
    libraries map gigabytes. Each process of the task has the limit for itself.
    """
    limit = _data_bytes() + limit_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def kernel_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory, as far as it says."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _data_bytes() -> int:
    """Return what RLIMIT_DATA counts of this process so far."""
    try:
        data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, IndexError):
        return 0
    return data_pages * os.sysconf("SC_PAGESIZE")
