"""The process of a batch: it runs attempts one after another, each as far as possible as in a process of its own.

What modules keep is shared. Everything else starts anew for each attempt: environment, log, working folder, temporary
files, signals, random numbers, path, flytekit's context. An attempt that leaves something that the next one could
notice, such as a thread, is the last one of its process, and the worker starts another one for the rest.
"""

import atexit
import importlib
import os
import random
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flytetemporal.plugins.local import limits
from flytetemporal.plugins.local.process_ownership import TAG_VARIABLE
from flytetemporal.plugins.process import descendants, modules, process_state
from flytetemporal.plugins.process.batch import plan
from flytetemporal.plugins.process.batch.plan import Plan, Turn
from flytetemporal.plugins.process.messages import Launch
from flytetemporal.plugins.process.warm.warmth import Warmth

_KILL_SECONDS = 3.0
# The next attempt would have less of the memory that it may use.
MAX_GROWTH_BYTES = 256 * 1024 * 1024
# Threads of flytekit and of what it uses, which serve the next attempt as well: loops, and their default executors.
_KEPT_THREADS = re.compile(r".* : loop-runner|fsspecIO|asyncio_\d+")
_KEPT_HANDLERS = ("flytekit", "flytetemporal", "fsspec")


class Turns:
    """The attempts of one process. ``run`` runs a command and returns its exit code, or becomes another program."""

    def __init__(self, launch: Launch, warmth: Warmth | None, run: Callable[[Sequence[str]], int]) -> None:
        self._launch = launch
        self._warmth = warmth
        self._run = run
        self._plan = Plan(Path(launch.turns))
        self._directory = Path(launch.directory)
        self._start = _Start(launch)

    def run(self) -> int:
        """Run attempts until there are no more. The exit code returned is that of an attempt whose end is not told.

        That is the last one, and one that leaves something behind: the exit of the process completes its end.
        """
        turns = self._plan.turns()
        progress = self._plan.open_progress(os.O_WRONLY)
        for number, turn in enumerate(turns):
            if not self._plan.claim(number):
                return 0
            os.write(progress, f"{plan.STARTED} {number}\n".encode())
            if number:
                self._enter(turn)
            code = self._run(turn.command)
            if turn is turns[-1] or not self._can_continue():
                return code
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os.write(progress, f"{plan.ENDED} {number} {code}\n".encode())
            try:
                self._start.clean()
            except OSError:  # The next attempts get another process, with other folders.
                return 0
        return 0

    def _enter(self, turn: Turn) -> None:
        process_state.reset_signals()
        process_state.redirect_output(turn.log)
        os.chdir(self._directory)
        process_state.set_environment({**self._launch.environment, **turn.variables, TAG_VARIABLE: turn.key})
        self._start.restore(keep_numpy=self._warmth is not None and self._warmth.numpy_seeded)

    def _can_continue(self) -> bool:
        """Whether the attempt that has just ended leaves nothing, once its child processes are killed."""
        threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
        if not all(_KEPT_THREADS.fullmatch(name) for name in threads):
            return False
        if self._start.exit_handlers or self._start.has_grown():
            return False
        return not descendants.kill_children(frozenset(), _KILL_SECONDS)


class _Start:
    """The state of the process before its first attempt."""

    def __init__(self, launch: Launch) -> None:
        self._directory = Path(launch.directory)
        self._bundles = launch.bundles
        self._path = list(sys.path)
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._umask = os.umask(0o22)
        os.umask(self._umask)
        self._contexts: Any = importlib.import_module("flytekit.core.context_manager").FlyteContextManager
        self._depth = self._contexts.size()
        numpy = modules.loaded("numpy")
        self._numpy_state = None if numpy is None else numpy.random.get_state()
        self._data_bytes = 0
        self.exit_handlers: list[Any] = []
        self._register = atexit.register
        atexit.register = self._recorded  # type: ignore[assignment]

    def _recorded(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Callable[..., Any]:
        if not str(getattr(function, "__module__", "")).startswith(_KEPT_HANDLERS):
            self.exit_handlers.append(function)
        return self._register(function, *arguments, **named)

    def restore(self, *, keep_numpy: bool) -> None:
        """Give the process the state that it had."""
        sys.path[:] = self._path
        sys.stdin, sys.stdout, sys.stderr = self._streams
        os.umask(self._umask)
        signal.setitimer(signal.ITIMER_REAL, 0)
        random.seed()
        numpy = modules.loaded("numpy")
        if numpy is not None and keep_numpy and self._numpy_state is not None:
            numpy.random.set_state(self._numpy_state)
        while self._contexts.size() > self._depth:
            self._contexts.pop_context()

    def has_grown(self) -> bool:
        """Whether the process needs much more memory than after its first attempt, which has imported the code."""
        found = limits.data_bytes()
        self._data_bytes = self._data_bytes or found
        return found - self._data_bytes > MAX_GROWTH_BYTES

    def clean(self) -> None:
        """Remove the files that an attempt has left, except for links to the code of the task."""
        for name in (self._directory.name, "tmp"):
            folder = str(self._directory.with_name(name))
            if not os.path.isdir(folder):  # The attempt has removed it.
                os.mkdir(folder)
            with os.scandir(folder) as found:
                for entry in list(found):
                    self._remove(entry)

    def _remove(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            if not os.readlink(entry.path).startswith(self._bundles):
                os.unlink(entry.path)
        elif entry.is_dir():
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
