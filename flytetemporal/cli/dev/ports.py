"""Ports of the loopback interface: checks requested ones and finds free ones."""

import contextlib
import random
import socket
from collections.abc import Mapping

from flytetemporal.cli.errors import CommandError

LOOPBACK = "127.0.0.1"
# Below the ephemeral ports: the kernel could give one of those to an outgoing connection before we use it.
FREE = range(10_000, 30_000)
_RANDOM = random.SystemRandom()


def choose(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return a usable port for each option, all different; 0 asks for any free port.

    Raises:
        CommandError: a requested port is in use, or this process may not use it.
    """
    chosen: dict[str, int] = {}
    with contextlib.ExitStack() as listeners:
        # Requested ports first, so that no free port that is found here takes one of them.
        for option, port in sorted(wanted.items(), key=lambda item: item[1] == 0):
            listener = listeners.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                _listen(listener, port)
            except OSError as e:
                raise CommandError(
                    f"port {port} is not usable ({e.strerror}): stop the process that uses it, or pass another "
                    f"{option} (0: any free port)"
                ) from e
            chosen[option] = listener.getsockname()[1]
    return chosen


def free() -> int:
    """Return a free port."""
    return choose({"port": 0})["port"]


def is_open(port: int, host: str = LOOPBACK, timeout_seconds: float = 0.2) -> bool:
    """Whether a server accepts connections on the port."""
    try:
        with socket.create_connection((host, port), timeout_seconds):
            return True
    except OSError:
        return False


def _listen(listener: socket.socket, port: int) -> None:
    *others, last = [port] if port else _RANDOM.sample(FREE, k=100)
    for candidate in others:
        with contextlib.suppress(OSError):
            return _listen_on(listener, candidate)
    return _listen_on(listener, last)


def _listen_on(listener: socket.socket, port: int) -> None:
    listener.bind((LOOPBACK, port))
    listener.listen()
