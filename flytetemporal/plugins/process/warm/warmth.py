"""What a fork of a warm parent inherits."""

import contextlib
import os
import random
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Warmth:
    """What a fork of a warm parent needs to know of its parent's import."""

    server: int
    """The process id of the fork server, which adopts the forks if their parent dies."""
    root: str
    """The working directory of the import. A fork replaces it by that of its attempt."""
    files: tuple[tuple[Any, str], ...]
    """The modules directly in ``root``, with the names of their files."""
    handlers: dict[int, Any]
    random_state: Any
    numpy_seeded: bool
    output: bytes

    def enter(self, directory: Path) -> None:
        """Continue in ``directory`` as if the code had been imported there. Call this once flytekit is refreshed."""
        if self.output:
            with contextlib.suppress(OSError):
                os.write(1, self.output)
        sys.path[:] = [entry for entry in sys.path if entry != self.root]
        for module, name in self.files:
            module.__file__ = str(directory / name)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        if self.random_state is not None:
            random.setstate(self.random_state)
