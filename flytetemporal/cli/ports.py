"""Ports of the loopback interface: check the wanted ones, find free ones."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

from flytetemporal.cli.problems import CommandFailed

LOOPBACK = "127.0.0.1"


def claim(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return a usable port for each option; 0 asks for a free one. All ports differ.

    Raises:
        CommandFailed: somebody listens on a wanted port, or it may not be used.
    """
    claimed: dict[str, int] = {}
    with ExitStack() as held:
        # Fixed ports first, so that a free one is never one that was asked for.
        for option, port in sorted(wanted.items(), key=lambda item: item[1] == 0):
            listener = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
                listener.listen()
            except OSError as e:
                raise CommandFailed(
                    f"port {port} is not usable ({e.strerror}): stop who holds it, or pass another {option} "
                    "(0 takes a free one)"
                ) from e
            claimed[option] = listener.getsockname()[1]
    return claimed


def answers(port: int, host: str = LOOPBACK, timeout_seconds: float = 0.2) -> bool:
    """Say whether somebody accepts connections on the port."""
    try:
        with socket.create_connection((host, port), timeout_seconds):
            return True
    except OSError:
        return False
