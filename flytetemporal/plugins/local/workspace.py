"""The folders of one attempt on this machine, and the end of its output."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from flytetemporal.errors import InvalidRequest
from flytetemporal.plugins.local import process_ownership
from flytetemporal.plugins.local.outcome import TAIL_BYTES
from flytetemporal.plugins.protocol import TaskContext
from flytetemporal.storage import local_files


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folders of one attempt. They do not outlive it, except for a log that is stored elsewhere."""

    folder: Path
    log: Path

    @classmethod
    def of(cls, context: TaskContext, work_dir: Path, log: Path | None) -> "Workspace":
        """Return the folders of an attempt.

        Their names are short, because a task may make sockets in them, whose paths have at most 108 characters.
        """
        folder = runs(work_dir) / hashlib.sha256(context.key.encode()).hexdigest()[:16]
        return cls(folder, log or folder / "task.log")

    @property
    def directory(self) -> Path:
        """The working directory. It is called ``root`` as in flytekit's images, since some module names contain it."""
        return self.folder / "root"

    @property
    def scratch(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "tmp"

    @property
    def secrets(self) -> Path:
        """The folder for secrets that the task wants as files."""
        return self.folder / "secrets"

    def make(self) -> None:
        """Make the folders, without anything that an earlier try has left."""
        self.remove()
        for folder in (self.directory, self.scratch, self.log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        (self.folder / process_ownership.LEASE_FILE).write_text(process_ownership.mine())

    def remove(self) -> None:
        """Remove everything except a log that is stored elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_end(self, size: int = TAIL_BYTES) -> bytes:
        """Return the last ``size`` bytes of the output."""
        try:
            # The task can have replaced its log, by a FIFO for example.
            with local_files.open_regular(self.log, self.log.parent) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - size))
                return file.read()
        except (OSError, InvalidRequest):
            return b""


def runs(work_dir: Path) -> Path:
    """Return the folder with one folder per attempt."""
    return work_dir / "run"
