"""Everything between ``os.fork`` in the server and the command of the task."""

import contextlib
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from flytetemporal.plugins.local import limits, tracing
from flytetemporal.plugins.local.process_ownership import TAG_VARIABLE
from flytetemporal.plugins.process import entrypoints, process_state
from flytetemporal.plugins.process.batch.turns import Turns
from flytetemporal.plugins.process.entrypoints import Loaded, Prepared
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.warm.warmth import Warmth

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# The exit codes of shells.
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126


def become(
    launch: Launch,
    parent: int,
    private: Iterable[int],
    loaded: Loaded | None,
    warmth: Warmth | None = None,
    announce: Callable[[Launch], None] | None = None,
) -> NoReturn:
    """Turn this fork into the process that ``launch`` describes. Never returns and never raises.

    Args:
        launch: The command.
        parent: The process that has forked.
        private: Its file descriptors.
        loaded: None if flytekit cannot be used.
        warmth: What the parent has imported, if it is a warm one.
        announce: Called once the process leads its group.
    """
    code = 1
    try:
        _detach(launch, parent, warmth)
        if announce is not None:
            announce(launch)
        for descriptor in private:
            os.close(descriptor)
        code = _run(launch, loaded, warmth)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(BaseException):
            entrypoints.finish()
        os._exit(code)


def adopt_orphans() -> None:
    """Make this process the parent of orphaned descendants (Linux). Forks do not inherit this; an exec keeps it."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int, adopter: int = 0) -> None:
    """Have the kernel kill this process when ``parent`` dies; or if ``adopter`` is given, when that dies, too."""
    if not adopter:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # The parent died before the line above, so its death sends no signal.
            os.killpg(0, signal.SIGKILL)
        return
    # The default of this signal is to ignore it, also in the programs that this process can turn into.
    signal.signal(signal.SIGURG, lambda *_: die_with(adopter))
    signal.siginterrupt(signal.SIGURG, False)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGURG)
    if os.getppid() != parent:
        die_with(adopter)


def _detach(launch: Launch, parent: int, warmth: Warmth | None) -> None:
    os.setsid()
    die_with(parent, warmth.server if warmth is not None else 0)
    # Orphans of a running attempt stay below its leader. So those below the server belong to attempts that have ended.
    adopt_orphans()
    process_state.reset_signals()
    process_state.redirect_output(launch.log)
    os.chdir(launch.directory)
    process_state.set_environment({**launch.environment, TAG_VARIABLE: launch.tag})
    limits.prefer_as_victim()
    if warmth is not None:
        return  # Its parent has done the rest, which is inherited.
    tracing.give_up()
    if launch.memory_bytes:
        limits.limit_memory(launch.memory_bytes)


def _run(launch: Launch, loaded: Loaded | None, warmth: Warmth | None) -> int:
    if launch.turns and loaded is not None:
        batch = Turns(launch, warmth, lambda command: _run_command(launch, command, loaded, warmth))
        return batch.run()
    return _run_command(launch, launch.command, loaded, warmth)


def _run_command(launch: Launch, command: Sequence[str], loaded: Loaded | None, warmth: Warmth | None) -> int:
    if loaded is None or not entrypoints.is_entrypoint(command):
        _execute(Prepared(tuple(command)))
    directory = Path(launch.directory)
    process_state.configure_streams()
    entrypoints.refresh(loaded, directory, keep_numpy=warmth is not None and warmth.numpy_seeded)
    if warmth is not None:
        warmth.enter(directory)
    prepared = entrypoints.prepare(command, directory, Path(launch.bundles))
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
