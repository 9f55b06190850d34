"""Observe what an import does that forks of the process cannot share, or that depends on the attempt. Linux only."""

import contextlib
import importlib
import os
import random
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

from flytetemporal.plugins.process import descendants, modules, own_process

# Between a caller and what it calls. numpy's own generator is seeded again in each fork.
_BETWEEN = ("importlib._bootstrap", "importlib._bootstrap_external", "random", "secrets", "uuid", "os", "posixpath")
# mashumaro, which flytekit uses for dataclasses, draws names of functions that it generates.
_EXEMPT = ("flytekit", "mashumaro", "numpy.random")
_HARMLESS_FILES = ("/dev/null", "/dev/urandom", "/dev/random")
# The allocator of pyarrow stops its thread before a fork, and starts it again after it.
_HARMLESS_THREADS = ("jemalloc_bg_thd",)
_MAX_FRAMES = 40
# The position of a Mersenne Twister from which nothing has been drawn.
_NUMPY_FRESH = 623


class Observed:
    """The reasons why attempts cannot be forks of this process, in the order in which they were found."""

    def __init__(self, variables: frozenset[str]) -> None:
        self._variables = variables
        self._files = own_process.open_files()
        self._shared = _shared_memory()
        self._signals = _handlers()
        self._active = False
        self.random_state: object = None
        """The state of Python's generator, if the import has seeded it: forks then keep it."""
        self.reasons: list[str] = []

    @property
    def handlers(self) -> dict[int, Any]:
        """The handlers of signals that have been set since."""
        return {number: handler for number, handler in _handlers().items() if handler != self._signals.get(number)}

    @contextlib.contextmanager
    def observing(self) -> Iterator[None]:
        """Notice calls whose result depends on the attempt, or is random, while the context is open."""
        self._active = True
        with contextlib.ExitStack() as stack:
            stack.callback(setattr, self, "_active", False)
            stack.enter_context(self._recorded_random())
            stack.enter_context(_replaced(os, "getcwd", self._recording(os.getcwd, "uses the working directory")))
            environ: Any = os.environ
            stack.enter_context(_replaced(environ, "__class__", self._recording_environment(type(environ))))
            stack.enter_context(self._recorded_context())
            yield

    @contextlib.contextmanager
    def _recorded_random(self) -> Iterator[None]:
        """Notice random numbers, and whether the program has seeded Python's generator."""
        seed, construct, draw = random.seed, random.Random.seed, self._recording(os.urandom, "draws random numbers")
        seeded = []

        def recorded_seed(value: Any = None, version: int = 2) -> None:
            seeded.append(value is not None)
            seed(value, version)

        def recorded_construct(generator: random.Random, value: Any = None, version: int = 2) -> None:
            if value is None and self._active:
                self._note_call("draws random numbers")
            construct(generator, value, version)

        before = random.getstate()
        with (
            _replaced(os, "urandom", draw),
            _replaced(random, "_urandom", draw),
            _replaced(random, "seed", recorded_seed),
            _replaced(random.Random, "seed", recorded_construct),
        ):
            yield
        if seeded and seeded[-1]:
            self.random_state = random.getstate()
        elif random.getstate() != before:
            self.note("draws random numbers")

    def look(self) -> None:
        """Look for what the import has left: threads, open files, shared memory, processes, random generators."""
        self._look_for_threads()
        for path in sorted(own_process.open_files() - self._files):
            if path.partition(" ")[2] not in _HARMLESS_FILES:
                self.note(f"opens {path.partition(' ')[2]}")
        if _shared_memory() > self._shared:
            self.note("maps shared memory")
        if numpy_has_drawn():
            self.note("draws random numbers")
        if descendants.children():
            self.note("starts a process")

    def note(self, reason: str) -> None:
        """Add a reason."""
        if reason not in self.reasons:
            self.reasons.append(reason)

    def _look_for_threads(self) -> None:
        if threading.active_count() > 1:
            self.note(f"starts {threading.active_count() - 1} threads")
            return
        pid = os.fork()  # Libraries that know about forks stop their threads before one.
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        names = [name for name in own_process.thread_names()[1:] if name not in _HARMLESS_THREADS]
        if names:
            self.note(f"starts {len(names)} native threads")

    def _recording(self, original: Callable[..., Any], what: str) -> Callable[..., Any]:
        def recorded(*args: Any, **keywords: Any) -> Any:
            self._note_call(what)
            return original(*args, **keywords)

        return recorded

    def _note_call(self, what: str) -> None:
        if not self._active:  # Modules can keep what was replaced.
            return
        caller = _caller()
        if not caller.startswith(_EXEMPT):
            self.note(f"{what} ({caller})")

    def _recording_environment(self, plain: type) -> type:
        observed = self

        class Recording(plain):  # type: ignore[misc]
            def __getitem__(self, name: str) -> str:
                if name in observed._variables:
                    observed._note_call(f"reads {name}")
                return str(super().__getitem__(name))

            def __iter__(self) -> Iterator[str]:
                observed._note_call("reads all variables")
                return super().__iter__()  # type: ignore[no-any-return]

        return Recording

    @contextlib.contextmanager
    def _recorded_context(self) -> Iterator[None]:
        """Let flytekit see a task that runs, as it does when it imports the code of one; notice who asks for more."""
        contexts = importlib.import_module("flytekit.core.context_manager")
        manager = contexts.FlyteContextManager
        context = manager.current_context()
        plain = context.user_space_params
        parameters: Any = object.__new__(self._recording_parameters(type(plain)))
        parameters.__dict__.update(vars(plain))
        state = context.new_execution_state().with_params(
            mode=contexts.ExecutionState.Mode.TASK_EXECUTION, user_space_params=parameters
        )
        depth = manager.size()
        manager.push_context(context.with_execution_state(state).build())
        try:
            yield
        finally:
            while manager.size() > depth:
                manager.pop_context()

    def _recording_parameters(self, plain: type) -> type:
        observed = self

        class Recording(plain):  # type: ignore[misc]
            def __getattribute__(self, name: str) -> Any:
                if not name.startswith("__"):
                    observed._note_call("reads the context of the task")
                return super().__getattribute__(name)

        return Recording


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def numpy_is_seeded() -> bool:
    """Whether the program has seeded numpy's global generator; forks then keep its state."""
    generator = _numpy_generator()
    return generator is not None and getattr(generator, "_seed_seq", generator) is None


def numpy_has_drawn() -> bool:
    """Whether numbers have been drawn from numpy's global generator, which nobody has seeded."""
    generator = _numpy_generator()
    if generator is None or numpy_is_seeded():
        return False
    return bool(generator.state["state"]["pos"] != _NUMPY_FRESH)


def _numpy_generator() -> Any:
    numpy = modules.loaded("numpy")
    legacy = getattr(getattr(getattr(numpy, "random", None), "mtrand", None), "_rand", None)
    generator = getattr(legacy, "_bit_generator", None)
    return generator if type(generator).__name__ == "MT19937" else None


def _caller() -> str:
    """Return the name of the module that has called what is recorded."""
    frame: types.FrameType | None = sys._getframe(1)  # noqa: SLF001  inspect's way reads source files
    for _ in range(_MAX_FRAMES):
        if frame is None:
            break
        name = str(frame.f_globals.get("__name__", ""))
        if name != __name__ and name not in _BETWEEN:
            return name
        frame = frame.f_back
    return "unknown"


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _shared_memory() -> int:
    """Return the number of writable mappings that forks would share."""
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8") as file:
        return sum(1 for line in file if line.split(maxsplit=2)[1].startswith("rw-s"))
    return 0
