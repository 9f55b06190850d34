"""Signals, output and environment of a task process, as each attempt finds them. Used in task processes only."""

import os
import signal
import sys
from collections.abc import Mapping


def reset_signals() -> None:
    """Undo what a fork server has done to signals."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def redirect_output(path: str) -> None:
    """Append standard output and standard error to a file."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)


def configure_streams() -> None:
    """Write each line at once: clients read the log while the task runs, and a killed task must not lose its output."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]


def set_environment(wanted: Mapping[str, str]) -> None:
    """Make ``wanted`` the environment. Most of it is that of the server already, and each change costs two copies."""
    present = dict(os.environ)
    for name in present.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if present.get(name) != value})
