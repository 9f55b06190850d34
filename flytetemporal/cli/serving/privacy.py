"""Keep the secrets of a server process from other processes of the same user, tasks above all.

See docs/decisions/0016-secrets-stay-in-memory.md for what this protects, and what it does not.
"""

import ctypes
import json
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

_PR_SET_DUMPABLE = 4
STDIN_VARIABLE = "FLYTETEMPORAL_SECRETS_FROM_STDIN"
"""Set for a process whose standard input is a socket with settings that must not be in its environment."""


def hide_memory() -> None:
    """Close ``/proc/PID/environ``, ``mem`` and ``fd`` of this process to others of the same user, and ptrace (Linux).

    Root can still read them, debuggers run by root included. There is no core dump of this process any more. A program
    that it executes is readable again.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), 0, 0, 0)


def sent(settings: Mapping[str, Any]) -> socket.socket:
    """Return a socket from which a child process can receive ``settings`` as its standard input.

    A socket, because other processes of the user could open a pipe through ``/proc/PID/fd``, and a file by its name.
    """
    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(json.dumps(settings).encode())
    return theirs


def received() -> dict[str, Any]:
    """Return the settings that the parent process has sent; none unless ``STDIN_VARIABLE`` is set. Call it once."""
    if not os.environ.pop(STDIN_VARIABLE, ""):
        return {}
    with socket.socket(fileno=os.dup(0)) as parent, parent.makefile("rb") as content:
        settings: dict[str, Any] = json.loads(content.read())
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    return settings
