"""The folders of one attempt on this machine, and the end of its output."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from flytetemporal.plugins.local import process_ownership
from flytetemporal.plugins.local.outcome import TAIL_BYTES
from flytetemporal.plugins.protocol import TaskContext


@dataclass(frozen=True, slots=True)
class Workspace:
    """Belongs to one attempt; nothing in it outlives the attempt but the log, which may lie elsewhere."""

    folder: Path
    log: Path

    @classmethod
    def of(cls, context: TaskContext, work_dir: Path, log: Path | None) -> "Workspace":
        """Name the folders of an attempt. Short, because sockets below must fit into 108 characters."""
        folder = runs(work_dir) / hashlib.sha256(context.key.encode()).hexdigest()[:16]
        return cls(folder, log or folder / "task.log")

    @property
    def directory(self) -> Path:
        """Where the program starts. Images of flytekit start in ``/root``, and some module names end up with it."""
        return self.folder / "root"

    @property
    def scratch(self) -> Path:
        """Where temporary files go."""
        return self.folder / "tmp"

    @property
    def secrets(self) -> Path:
        """Where secrets go that the task wants as files."""
        return self.folder / "secrets"

    def make(self) -> None:
        """Make the folders, empty."""
        self.remove()
        for folder in (self.directory, self.scratch, self.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        (self.folder / process_ownership.LEASE_FILE).write_text(process_ownership.mine())

    def remove(self) -> None:
        """Remove everything but a log that lies elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_end(self) -> bytes:
        """Return the end of the output."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                return file.read()
        except OSError:
            return b""


def runs(work_dir: Path) -> Path:
    """Return where the folders of attempts lie."""
    return work_dir / "run"
