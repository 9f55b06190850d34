"""Memory limits of task processes, and signs that the kernel has run out of memory."""

import contextlib
import os
import resource
from pathlib import Path

# The higher, up to 1000, the sooner the kernel kills a process. Others usually have 0, like the worker.
_OOM_SCORE = b"500"


def prefer_as_victim() -> None:
    """Make this process the first choice of the kernel's OOM killer, on Linux."""
    with contextlib.suppress(OSError):
        file = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            os.write(file, _OOM_SCORE)
        finally:
            os.close(file)


def limit_memory(limit_bytes: int) -> None:
    """Let this process allocate ``limit_bytes`` on top of what it has: more raises MemoryError.

    Private writable memory counts (RLIMIT_DATA); reserved and file-backed address space does not, of which Python
    libraries map gigabytes. The limit applies to each process of the task on its own.
    """
    limit = data_bytes() + limit_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def kernel_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since it booted; 0 if it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def data_bytes() -> int:
    """Return the bytes of this process that count for RLIMIT_DATA; 0 if the system does not say."""
    try:
        data_pages = int(Path("/proc/self/statm").read_text().split()[5])
    except (OSError, IndexError):
        return 0
    return data_pages * os.sysconf("SC_PAGESIZE")
