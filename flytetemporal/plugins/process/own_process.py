"""What the system says about this process. Linux only: elsewhere nothing is open, and there is one thread."""

import contextlib
import os
from pathlib import Path


def open_files() -> set[str]:
    """Return the open file descriptors with what they are."""
    found = set()
    with contextlib.suppress(OSError):
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # The descriptor by which the folder was listed.
                found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    return found


def thread_names() -> list[str]:
    """Return the names of all threads, also of native ones; that of the main thread comes first."""
    names = []
    with contextlib.suppress(OSError):
        for number in sorted(os.listdir("/proc/self/task"), key=int):
            with contextlib.suppress(OSError):
                names.append(Path(f"/proc/self/task/{number}/comm").read_text().strip())
    return names or ["main"]
