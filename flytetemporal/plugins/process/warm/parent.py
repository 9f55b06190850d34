"""A warm parent, as its server sees it."""

import contextlib
import enum
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

from flytetemporal.plugins.process import changes, messages
from flytetemporal.plugins.process.messages import Launch, Message
from flytetemporal.plugins.process.warm.keys import Key


class State(enum.Enum):
    """The state of a warm parent."""

    IMPORTING = enum.auto()
    WARM = enum.auto()
    COLD = enum.auto()
    """Attempts are forks of the server, which import the code themselves."""


@dataclass(slots=True, eq=False)
class Parent:
    """A process that imports the code of a task, or has done so."""

    key: Key
    pid: int
    socket: socket.socket
    folder: Path
    started_at: float
    state: State = State.IMPORTING
    problem: str = ""
    private_bytes: int = 0
    files: dict[str, changes.Stamp] = field(default_factory=dict)
    checked_at: float = 0.0
    waiting: dict[int, Launch] = field(default_factory=dict)
    """Attempts that wait for the import, by their ids."""
    asked: dict[int, Launch] = field(default_factory=dict)
    """Attempts that the parent has been asked for, until they end."""
    pids: dict[int, int] = field(default_factory=dict)
    """The processes of those that have started."""
    signals: dict[int, int] = field(default_factory=dict)
    """The last signal sent to each."""
    pending: bytes = b""
    is_alive: bool = True
    """Whether it has not been waited for."""
    is_closed: bool = False
    """Whether nothing more comes from its socket."""

    def send(self, message: Message) -> None:
        """Send a message. A parent that does not take it is killed; its end is seen later."""
        try:
            self.socket.sendall(messages.encode(message))
        except OSError:
            self.kill()

    def kill(self) -> None:
        """Kill the process; its forks go on."""
        if self.is_alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
