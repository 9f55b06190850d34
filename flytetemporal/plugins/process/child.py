"""Everything between ``os.fork`` in the server and the command of the task."""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from flytetemporal.plugins.local import limits, tracing
from flytetemporal.plugins.local.process_ownership import TAG_VARIABLE
from flytetemporal.plugins.process import entrypoints
from flytetemporal.plugins.process.entrypoints import Loaded, Prepared
from flytetemporal.plugins.process.messages import Launch

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# The exit codes of shells.
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


def become(launch: Launch, server: int, private: Iterable[int], loaded: Loaded | None) -> NoReturn:
    """Turn this fork into the process that ``launch`` describes. Never returns and never raises.

    ``private`` are the server's file descriptors. ``loaded`` is None if flytekit cannot be used.
    """
    code = 1
    try:
        _detach(launch, server, private)
        code = _run(launch, loaded)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):
            entrypoints.finish()
        os._exit(code)


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants (Linux). Forks do not inherit this; an exec keeps it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _detach(launch: Launch, server: int, private: Iterable[int]) -> None:
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # The kernel kills this process when the server dies.
    if os.getppid() != server:  # The server died before the line above, so its death sends no signal.
        os._exit(1)
    # Orphans of a running attempt stay below its leader. So those below the server belong to attempts that have ended.
    adopt_orphans()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(log, stream)
    for descriptor in (log, *private):
        os.close(descriptor)
    os.chdir(launch.directory)
    _set_environment({**launch.environment, TAG_VARIABLE: launch.tag})
    limits.prefer_as_victim()
    tracing.give_up()
    if launch.memory_bytes:
        limits.limit_memory(launch.memory_bytes)


def _set_environment(wanted: Mapping[str, str]) -> None:
    """Make ``wanted`` the environment. Most of it is that of the server already, and each change costs two copies."""
    present = dict(os.environ)
    for name in present.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in wanted.items() if present.get(name) != value})


def _run(launch: Launch, loaded: Loaded | None) -> int:
    if loaded is None or not entrypoints.is_entrypoint(launch.command):
        _execute(Prepared(launch.command))
    directory = Path(launch.directory)
    for stream in (sys.stdout, sys.stderr):
        # Clients read the log while the task runs, and a task that is killed must not lose its output.
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    entrypoints.refresh(loaded, directory)
    prepared = entrypoints.prepare(launch.command, directory, Path(launch.bundles))
    if not entrypoints.can_run_here(prepared.command, launch.environment, loaded):
        _execute(prepared)
    return entrypoints.run(prepared)


def _execute(prepared: Prepared) -> NoReturn:
    """Replace this process by another program."""
    environment = dict(os.environ)
    if prepared.path:
        known = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
        environment["PYTHONPATH"] = os.pathsep.join([*known, *prepared.path])
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    program = prepared.command[0]
    try:
        path = shutil.which(program, path=environment.get("PATH", os.defpath))
        if path is None and not os.path.exists(program):
            raise FileNotFoundError(f"{program}: command not found on this worker (PATH={environment.get('PATH')})")
        os.execve(path or program, prepared.command, environment)
    except OSError as e:
        os.write(2, f"{e.strerror or e}: {program}\n".encode())
        os._exit(_NOT_FOUND if isinstance(e, FileNotFoundError) else _NOT_EXECUTABLE)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0)
