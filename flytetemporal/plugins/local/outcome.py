"""How a process ended, in Flyte's words. Pure.

The codes and their kinds are those that Flyte gives to a pod that ended the same way, except that a process's own exit
code is always the user's matter (see flyteplugins' pluginmachinery/flytek8s/pod_helper.go).
"""

import os
import signal
from dataclasses import dataclass

from flytetemporal.plugins.protocol import ErrorKind, PhaseInfo, failed, succeeded

TAIL_BYTES = 2048
TAIL_LINES = 80
# A shell or a launcher in between turns a SIGKILL into one of these.
_KILLED_CODES = (137, 247)
_SHELL_SIGNAL_BASE = 128


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended. ``code`` is None when a signal ended it; ``lost`` when its server died with it."""

    code: int | None
    signal: int = 0
    lost: bool = False

    @classmethod
    def of(cls, status: int) -> "Exit":
        """Read a wait status."""
        code = os.waitstatus_to_exitcode(status)
        return cls(code) if code >= 0 else cls(None, signal=-code)


def phase(name: str, ended: Exit, tail: str, *, out_of_memory: bool) -> PhaseInfo:
    """Return the last phase of attempt ``name``.

    Args:
        name: The generated name.
        ended: What the operating system said.
        tail: The end of its output, for the message.
        out_of_memory: Whether there is evidence that memory ran out, should the process have failed.
    """
    if ended.code == 0:
        return succeeded()
    if out_of_memory:
        return failed("OOMKilled", _message(name, ended, "OOMKilled", tail), ErrorKind.USER, recoverable=True)
    if was_killed(ended):
        return failed("Interrupted", _message(name, ended, "Interrupted", tail), ErrorKind.SYSTEM, recoverable=True)
    return failed("Error", _message(name, ended, "Error", tail), ErrorKind.USER, recoverable=True)


def was_killed(ended: Exit) -> bool:
    """Say whether a SIGKILL ended the process, which nobody here sent."""
    return ended.signal == signal.SIGKILL or ended.code in _KILLED_CODES


def tail(output: bytes) -> str:
    """Return the last lines of ``output``, as many as a message carries."""
    text = output[-TAIL_BYTES:].decode(errors="ignore")  # the cut may go through a character
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
