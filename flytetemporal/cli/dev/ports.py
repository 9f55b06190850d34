"""Ports of the loopback interface: check the wanted ones, find free ones."""

import contextlib
import random
import socket
from collections.abc import Mapping

from flytetemporal.cli.problems import CommandFailed

LOOPBACK = "127.0.0.1"
# Below the ports that systems give to outgoing connections: one of those could take a free port between its choice and
# its use.
FREE = range(10_000, 30_000)
_CHANCE = random.SystemRandom()


def claim(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return a usable port for each option; 0 asks for a free one. All ports differ.

    Raises:
        CommandFailed: somebody listens on a wanted port, or it may not be used.
    """
    claimed: dict[str, int] = {}
    with contextlib.ExitStack() as held:
        # Fixed ports first, so that a free one is never one that was asked for.
        for option, port in sorted(wanted.items(), key=lambda item: item[1] == 0):
            listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                _listen(listener, port)
            except OSError as e:
                raise CommandFailed(
                    f"port {port} is not usable ({e.strerror}): stop who holds it, or pass another {option} "
                    "(0 takes a free one)"
                ) from e
            claimed[option] = listener.getsockname()[1]
    return claimed


def free() -> int:
    """Return a port nobody listens on."""
    return claim({"port": 0})["port"]


def _listen(listener: socket.socket, port: int) -> None:
    *tries, last = [port] if port else _CHANCE.sample(FREE, k=100)
    for candidate in tries:
        with contextlib.suppress(OSError):
            return _listen_on(listener, candidate)
    return _listen_on(listener, last)


def _listen_on(listener: socket.socket, port: int) -> None:
    listener.bind((LOOPBACK, port))
    listener.listen()


def answers(port: int, host: str = LOOPBACK, timeout_seconds: float = 0.2) -> bool:
    """Say whether somebody accepts connections on the port."""
    try:
        with socket.create_connection((host, port), timeout_seconds):
            return True
    except OSError:
        return False
