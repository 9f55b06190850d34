"""The files by which a worker and the process of a batch share what is to run, and what has been claimed. Pure files.

The worker makes the folder with a list of attempts and a FIFO. The process writes to the FIFO which attempt starts and
which has ended. Whichever of both makes the claim of an attempt first has it: the process runs it, the worker keeps it.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LIST = "attempts.json"
_PROGRESS = "progress"
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


@dataclass(frozen=True, slots=True)
class Plan:
    """The folder of a batch."""

    folder: Path

    def make(self, turns: Sequence[Turn]) -> None:
        """Make the folder and its files."""
        self.folder.mkdir()
        (self.folder / _LIST).write_text(json.dumps([dataclasses.asdict(turn) for turn in turns]))
        os.mkfifo(self._progress, 0o600)

    def turns(self) -> list[Turn]:
        """Return the attempts."""
        listed = json.loads((self.folder / _LIST).read_text())
        return [Turn(**{**turn, "command": tuple(turn["command"])}) for turn in listed]

    def open_progress(self, flags: int) -> int:
        """Open the FIFO and return its file descriptor."""
        return os.open(self._progress, flags)

    def claim(self, number: int) -> bool:
        """Claim an attempt; return False if the other side has it."""
        try:
            os.close(os.open(self.folder / f"{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    @property
    def _progress(self) -> Path:
        return self.folder / _PROGRESS
