"""The limit on the size of an attempt's log. It bounds the disk, not the task: what a task writes too much is lost."""

import contextlib
import os
import threading
from pathlib import Path


class LimitedLog:
    """An open log that others append to, and that ``limit`` cuts at ``limit_bytes``.

    It stays open, since a task can replace the file at its path, but not the one that its output goes to.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._note = f"\n[flytetemporal] the log was cut at {limit_bytes} bytes (worker.max_log_bytes)\n".encode()
        self._is_cut = False
        self._descriptor: int | None = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        # The log can be closed while another thread limits it. The number could be that of another file by then.
        self._lock = threading.Lock()

    def limit(self) -> None:
        """Cut a log that is too long, and say so in its last line. After an error the next call tries again."""
        with self._lock, contextlib.suppress(OSError):
            if self._descriptor is None:
                return
            allowed = self._limit_bytes + (len(self._note) if self._is_cut else 0)
            if os.fstat(self._descriptor).st_size <= allowed:
                return
            # Writers append, so they continue after the note. The next call removes what they write.
            os.ftruncate(self._descriptor, self._limit_bytes)
            self._is_cut = os.write(self._descriptor, self._note) == len(self._note)

    def close(self) -> None:
        """Limit the log a last time, once its writers have ended."""
        self.limit()
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None
