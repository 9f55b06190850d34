"""The folder of a fork server's temporary files. It does not outlive its worker, also if that is killed."""

import contextlib
import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import IO

_PREFIX = "server-"
_LOCK = ".lock"
_PROC = Path("/proc")


class Scratch:
    """A folder next to its lock file. The kernel drops the lock when the worker dies, even by SIGKILL."""

    def __init__(self, path: Path, lock: IO[str]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls, parent: Path) -> "Scratch":
        """Make a folder below ``parent`` that ``remove_abandoned`` leaves alone while this process lives."""
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            path = parent / f"{_PREFIX}{secrets.token_hex(4)}"
            lock = _lock_file(path).open("x")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(lock, _lock_file(path)):
                path.mkdir(mode=0o700)
                return cls(path, lock)
            # Between the two calls above, another worker took the new file for one without a holder.
            lock.close()

    def remove(self) -> None:
        """Remove the folder, and then its lock: a lock without a folder is harmless."""
        with self._lock:
            shutil.rmtree(self.path, ignore_errors=True)
            _lock_file(self.path).unlink(missing_ok=True)


def remove_abandoned(parent: Path) -> list[Path]:
    """Remove the folders below ``parent`` whose workers are gone, and return them."""
    removed = [path for file in parent.glob(f"{_PREFIX}*{_LOCK}") if _remove_unlocked(path := file.with_suffix(""))]
    for path in parent.glob(f"{_PREFIX}*"):
        # Earlier releases made no locks. Without /proc nothing is known of their servers.
        if path.is_dir() and not _lock_file(path).exists() and _PROC.is_dir() and not _is_working_directory(path):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _remove_unlocked(path: Path) -> bool:
    try:
        lock = _lock_file(path).open("r")
    except FileNotFoundError:
        return False  # Its worker, or another one, is removing it.
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return False
    Scratch(path, lock).remove()
    return True


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + _LOCK)


def _is_at(file: IO[str], path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def _is_working_directory(path: Path) -> bool:
    """Whether a process that this user can look at runs in the folder, as fork servers do."""
    for link in _PROC.glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == path.resolve():
                return True
    return False
