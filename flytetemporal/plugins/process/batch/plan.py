"""The files by which a worker and the process of a batch share what is to run, and what has been claimed. Pure files.

The worker makes the folder with a list of attempts and a FIFO. The process writes to the FIFO which attempt starts and
which has ended. Whichever of both locks the byte of an attempt first has it: the process runs it, the worker keeps it.
"""

import dataclasses
import errno
import fcntl
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LIST = "attempts.json"
_PROGRESS = "progress"
_CLAIMS = "claims"
# Lines of the FIFO: a letter, and the position of an attempt; after ``ENDED`` also its exit code.
STARTED = "S"
ENDED = "E"
GONE = "X"
"""The process is gone. The worker writes this itself, behind everything that the process has written."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt of a batch, by what it does not share with the first one."""

    key: str
    command: tuple[str, ...]
    variables: dict[str, str]
    """Those that differ from the first attempt's."""
    log: str


@dataclass(slots=True)
class Plan:
    """The folder of a batch."""

    folder: Path
    _claims: int = -1

    def make(self, turns: Sequence[Turn]) -> None:
        """Make the folder and its files."""
        self.folder.mkdir()
        (self.folder / _LIST).write_text(json.dumps([dataclasses.asdict(turn) for turn in turns]))
        os.mkfifo(self._progress, 0o600)
        (self.folder / _CLAIMS).touch(0o600)

    def turns(self) -> list[Turn]:
        """Return the attempts."""
        listed = json.loads((self.folder / _LIST).read_text())
        return [Turn(**{**turn, "command": tuple(turn["command"])}) for turn in listed]

    def open_progress(self, flags: int) -> int:
        """Open the FIFO and return its file descriptor."""
        return os.open(self._progress, flags)

    def claim(self, number: int) -> bool:
        """Claim an attempt; return False if the other side has it. The kernel drops the claims of a process that ends.

        Raises:
            FileNotFoundError: the folder is gone.
        """
        if self._claims < 0:
            self._claims = os.open(self.folder / _CLAIMS, os.O_RDWR)
        try:
            fcntl.lockf(self._claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError as e:
            if e.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise
        return True

    def close(self) -> None:
        """Give up all claims."""
        if self._claims >= 0:
            os.close(self._claims)
            self._claims = -1

    @property
    def _progress(self) -> Path:
        return self.folder / _PROGRESS
