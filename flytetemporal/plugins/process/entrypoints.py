"""flytekit's task commands, run in a fork of a process that has flytekit loaded. Used in task processes only.

This module reaches flytekit through ``sys.modules`` and must not import it, since the worker imports this package and
does not need flytekit.
"""

import asyncio
import atexit
import contextlib
import importlib
import os
import signal
import sys
import tempfile
import threading
import time
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from flytetemporal.plugins.process import bundles, eager_polling, modules

ENTRYPOINT = "flytekit.bin.entrypoint"
EXECUTE = "pyflyte-execute"
MAP_EXECUTE = "pyflyte-map-execute"
FAST_EXECUTE = "pyflyte-fast-execute"
# An interpreter or a library reads these only when it starts, so another value needs a new process.
_READ_AT_START = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "FSSPEC_")
_READ_LATER = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONBREAKPOINT")
EXECUTION_VARIABLE = "FLYTE_INTERNAL_EXECUTION_ID"
# A loop with nothing to do stops at once.
STOP_SECONDS = 10.0
# flytekit's loggers depend on these, and on whether there is an execution.
_LOGGING = ("FLYTE_SDK_LOGGING_LEVEL", "FLYTE_SDK_DEV_LOGGING_LEVEL", "FLYTE_SDK_LOGGING_FORMAT")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The state of the server after it has loaded flytekit."""

    environment: Mapping[str, str]
    loops: tuple[tuple[types.ModuleType, str], ...]
    """Event loops that modules have made at import. All forks would share their file descriptors."""
    interrupt: Any = signal.SIG_DFL
    """The handler of SIGINT that flytekit has set."""
    single_threaded: bool = True
    """Whether there is only one thread. A fork has no other, so the locks that others hold stay locked for ever."""

    @classmethod
    def now(cls) -> "Loaded":
        """Describe this interpreter."""
        loops = [
            (module, name)
            for module, namespace in modules.namespaces()
            for name, value in list(namespace.items())
            if issubclass(type(value), asyncio.AbstractEventLoop)  # ``isinstance`` would load a lazy module
        ]
        return cls(dict(os.environ), tuple(loops), signal.getsignal(signal.SIGINT))

    def logs_like(self, environment: Mapping[str, str]) -> bool:
        """Whether flytekit's loggers, which were set up for an execution, would be the same in ``environment``."""
        same = all(environment.get(name) == self.environment.get(name) for name in _LOGGING)
        return same and EXECUTION_VARIABLE in environment


@dataclass(frozen=True, slots=True)
class Prepared:
    """A command, and the folders of its code, which precede installed packages on the path."""

    command: tuple[str, ...]
    path: tuple[str, ...] = ()


def is_entrypoint(command: Sequence[str]) -> bool:
    """Whether the command is one of flytekit's."""
    return command[0] in (EXECUTE, MAP_EXECUTE, FAST_EXECUTE)


def can_run_here(command: Sequence[str], environment: Mapping[str, str], loaded: Loaded) -> bool:
    """Whether a fork of this interpreter can run the command as a new interpreter would."""
    if command[0] not in (EXECUTE, MAP_EXECUTE) or not loaded.single_threaded:
        return False
    names = {name for name in (*environment, *loaded.environment) if name.startswith(_READ_AT_START)}
    return all(environment.get(name) == loaded.environment.get(name) for name in names.difference(_READ_LATER))


def prepare(command: Sequence[str], directory: Path, cache: Path) -> Prepared:
    """Fetch the code that ``pyflyte-fast-execute`` names into ``directory`` and return the command inside it.

    The real command unpacks into a folder of the container, often ``/root``, and starts a second interpreter. Here the
    working folder replaces that folder. Tasks that a dynamic task makes still get the original name of the folder.
    """
    if command[0] != FAST_EXECUTE:
        return Prepared(tuple(command))
    uri, destination, command = _distribution(command)
    if uri is None:
        return Prepared(command, (str(directory),))
    bundles.link(bundles.unpacked(uri, cache, _download()), directory)
    inner: list[str] = []
    for argument in command:
        if argument == "--resolver":
            inner += ["--dynamic-addl-distro", uri, "--dynamic-dest-dir", destination]
        inner.append(argument)
    return Prepared(tuple(inner), (str(directory),))


def fetch(command: Sequence[str], cache: Path) -> None:
    """Fetch the code that ``pyflyte-fast-execute`` names into ``cache``."""
    uri, _, _ = _distribution(command)
    if uri is not None:
        bundles.unpacked(uri, cache, _download())


def adapt() -> None:
    """Change what flytekit does at the end of tasks, and in eager ones. Call this once, before the server forks."""
    _keep_loops()
    eager_polling.install()


def refresh(loaded: Loaded, directory: Path, *, keep_numpy: bool = False) -> None:
    """Give flytekit and Python the state that they have in a new process.

    Call this first in a fork, once its environment and folders are set. ``keep_numpy`` leaves the state of numpy's
    global generator as it is.
    """
    scratch = str(directory.with_name("tmp"))
    # By default Python makes a file to see whether it can.
    tempfile.tempdir = scratch if os.environ.get("TMPDIR") == scratch and os.path.isdir(scratch) else None
    if os.environ.get("TZ") != loaded.environment.get("TZ"):
        with contextlib.suppress(AttributeError):
            time.tzset()
    # Python seeds its own generator in each fork.
    numpy = modules.loaded("numpy")
    if numpy is not None and not keep_numpy:
        numpy.random.seed()
    # This is the server's main module; a task must not import it, nor find tasks in it.
    sys.modules["__main__"] = types.ModuleType("__main__")
    for module, name in loaded.loops:
        setattr(module, name, asyncio.new_event_loop())
    signal.signal(signal.SIGINT, loaded.interrupt)
    if not loaded.logs_like(os.environ):
        _refresh_loggers()
    _refresh_context(directory)


def run(prepared: Prepared) -> int:
    """Run ``pyflyte-execute`` or ``pyflyte-map-execute`` and return its exit code."""
    entrypoint = _entrypoint()
    commands = {EXECUTE: entrypoint.execute_task_cmd, MAP_EXECUTE: entrypoint.map_execute_task_cmd}
    name, *arguments = prepared.command
    command: click.Command = commands[name]
    sys.argv[:] = prepared.command
    extend_path(prepared.path)
    try:
        command.main(args=arguments, prog_name=name)
    except SystemExit as e:
        return _exit_code(e.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def finish() -> None:
    """Do what an interpreter does at exit except for freeing memory: join threads, run exit handlers, flush."""
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001  as multiprocessing does in its forks
    atexit._run_exitfuncs()  # noqa: SLF001  there is no public way to run them without a full shutdown
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def _refresh_loggers() -> None:
    """Read flytekit's settings of logging again."""
    loggers = importlib.import_module("flytekit.loggers")
    for name in ("flytekit", "user_space", "developer"):
        loggers.logging.getLogger(name).handlers.clear()
    loggers.initialize_global_loggers()


def _refresh_context(directory: Path) -> None:
    """Read flytekit's settings of storage again, and put temporary files into the folder of the attempt."""
    persistence = importlib.import_module("flytekit.core.data_persistence")
    contexts = importlib.import_module("flytekit.core.context_manager")
    sandbox = directory.with_name("sandbox")
    access = persistence.FileAccessProvider(str(sandbox), str(sandbox / "raw"))
    context = contexts.FlyteContextManager.current_context()
    contexts.FlyteContextManager.push_context(context.with_file_access(access).build())


def _keep_loops() -> None:
    """Keep flytekit's event loops running until the process exits.

    Exit handlers run in reverse order. flytekit's would stop the loops first, and then the exit handler of an eager
    task would wait for ever for a thread that waits for one of the loops.
    """
    runners = importlib.import_module("flytekit.utils.asyn")
    runners._TaskRunner._close = lambda _: None  # noqa: SLF001  there is no public switch


def stop_loops() -> None:
    """Stop flytekit's event loops on other threads that have nothing to do. A fork makes its own.

    An import starts one if it converts values, such as the defaults of a launch plan.
    """
    runners = importlib.import_module("flytekit.utils.asyn").loop_manager._runner_map  # noqa: SLF001  as above
    for name, runner in list(runners.items()):
        loop, thread = runner._TaskRunner__loop, runner._TaskRunner__runner_thread  # noqa: SLF001  as above
        if loop is not None and not asyncio.all_tasks(loop):
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_SECONDS)
            del runners[name]


def extend_path(code: Sequence[str]) -> None:
    """Put ``PYTHONPATH`` and then ``code`` before installed packages on the path, as a new interpreter does."""
    variable = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    os.environ.update({"PYTHONPATH": os.pathsep.join([*variable, *code])} if code else {})
    wanted = [*variable, *code]
    sys.path[:] = [*wanted, *(entry for entry in sys.path if entry not in wanted)]


def _distribution(command: Sequence[str]) -> tuple[str | None, str, tuple[str, ...]]:
    """Return the distribution that ``pyflyte-fast-execute`` names, its folder and the command to run in it."""
    context = _entrypoint().fast_execute_task_cmd.make_context(FAST_EXECUTE, list(command[1:]))
    parameters = context.params
    return parameters["additional_distribution"], parameters["dest_dir"] or ".", tuple(parameters["task_execute_cmd"])


def _download() -> bundles.Download:
    download: bundles.Download = importlib.import_module("flytekit.tools.fast_registration").download_distribution
    return download


def _entrypoint() -> Any:
    return sys.modules[ENTRYPOINT]


def _exit_code(code: str | int | None) -> int:
    if isinstance(code, str):
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter does
        return 1
    return (code or 0) & 0xFF
