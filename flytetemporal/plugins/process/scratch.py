"""The folder of a fork server's temporary files. It does not outlive its worker, also if that is killed."""

import contextlib
import os
import shutil
from pathlib import Path

from flytetemporal.plugins.local import lifetime_locks

_PREFIX = "server-"
_LOCK = ".lock"
_PROC = Path("/proc")


class Scratch:
    """A folder next to its lock file, which ``remove_abandoned`` leaves alone while its worker lives."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def make(cls, parent: Path) -> "Scratch":
        """Make a folder below ``parent``."""
        file, lock = lifetime_locks.create(parent, prefix=_PREFIX, suffix=_LOCK)
        path = file.with_suffix("")
        path.mkdir(mode=0o700)
        return cls(path, lock)

    def remove(self) -> None:
        """Remove the folder, and then its lock: a lock without a folder is harmless."""
        shutil.rmtree(self.path, ignore_errors=True)
        _lock_file(self.path).unlink(missing_ok=True)
        os.close(self._lock)


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
    lock = lifetime_locks.take_over(_lock_file(path))
    if lock is None:
        return False
    Scratch(path, lock).remove()
    return True


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + _LOCK)


def _is_working_directory(path: Path) -> bool:
    """Whether a process that this user can look at runs in the folder, as fork servers do."""
    for link in _PROC.glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if link.readlink() == path.resolve():
                return True
    return False
