"""Lock files that live as long as their process: the kernel drops the lock when it dies, even by SIGKILL.

Whatever can lock such a file later knows that its process is gone, and cleans up what the file stands for.
"""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path


def create(folder: Path, *, prefix: str = "", suffix: str = "") -> tuple[Path, int]:
    """Make a file with a new name in ``folder`` and lock it; return its path and its open file descriptor."""
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        file, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=suffix)
        fcntl.flock(file, fcntl.LOCK_EX)
        if exists(file):
            return Path(name), file
        os.close(file)  # Another process has found it before it was locked, and has removed it.


def take_over(path: Path) -> int | None:
    """Lock the file of a process that is gone; return its open file descriptor.

    None if the process lives, or if the file has been removed.
    """
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if exists(file):
            return file
    os.close(file)
    return None


def exists(file: int) -> bool:
    """Whether an open file still has a name."""
    return os.fstat(file).st_nlink > 0
