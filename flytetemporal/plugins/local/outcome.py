"""The last phase of an attempt whose process or container has ended. Pure.

Codes and kinds are those of a pod that ended in the same way (flyteplugins' pluginmachinery/flytek8s/pod_helper.go),
except that an exit code of the process itself is always a failure of the user.
"""

import os
import signal
from dataclasses import dataclass

from flytetemporal.plugins.protocol import OUT_OF_MEMORY, STORE_UNREACHABLE, ErrorKind, PhaseInfo, failed, succeeded

TAIL_BYTES = 2048
TAIL_LINES = 80
# The exit codes into which a shell or a launcher turns a SIGKILL of its child.
_KILLED_CODES = (137, 247)
_SHELL_SIGNAL_BASE = 128


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a process. ``code`` is None if a signal ended it; ``lost`` if its fork server died with it."""

    code: int | None
    signal: int = 0
    lost: bool = False

    @classmethod
    def of(cls, status: int) -> "Exit":
        """Return the end that a wait status describes."""
        code = os.waitstatus_to_exitcode(status)
        return cls(code) if code >= 0 else cls(None, signal=-code)


def phase(name: str, ended: Exit, tail: str, *, out_of_memory: bool, store_unreachable: bool = False) -> PhaseInfo:
    """Return the last phase of attempt ``name``.

    Args:
        name: The generated name.
        ended: The exit code or signal.
        tail: The end of the output, for the message.
        out_of_memory: Whether memory ran out, if the process has failed.
        store_unreachable: Whether its output says that the store did not serve it, if it has failed.
    """
    if ended.code == 0:
        return succeeded()
    if out_of_memory:
        text = _message(name, ended, OUT_OF_MEMORY, tail)
        return failed(OUT_OF_MEMORY, text, ErrorKind.USER, recoverable=True)
    if was_killed(ended):
        return failed("Interrupted", _message(name, ended, "Interrupted", tail), ErrorKind.SYSTEM, recoverable=True)
    if store_unreachable:
        text = _message(name, ended, STORE_UNREACHABLE, tail)
        return failed(STORE_UNREACHABLE, text, ErrorKind.SYSTEM, recoverable=True)
    return failed("Error", _message(name, ended, "Error", tail), ErrorKind.USER, recoverable=True)


def was_killed(ended: Exit) -> bool:
    """Whether a SIGKILL ended the process. This worker only sends one to attempts that it aborts."""
    return ended.signal == signal.SIGKILL or ended.code in _KILLED_CODES


def tail(output: bytes) -> str:
    """Return the last lines of ``output``, up to the limits of a message."""
    text = output[-TAIL_BYTES:].decode(errors="ignore")  # The first character may be incomplete.
    return "\n".join(text.splitlines()[-TAIL_LINES:])


def _message(name: str, ended: Exit, reason: str, output: str) -> str:
    code = ended.code if ended.code is not None else _SHELL_SIGNAL_BASE + ended.signal
    cause = f", signal ({_signal_name(ended.signal)})" if ended.signal else ""
    if ended.lost:
        cause += ", its worker's fork server having died"
    return f"\r\n[{name}] terminated with exit code ({code}){cause}. Reason [{reason}]. Message: \n\n{output}\n."


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
