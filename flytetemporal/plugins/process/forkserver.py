"""The fork server: ``python -m flytetemporal.plugins.process.forkserver``, one process under each worker.

It loads flytekit once, then forks a process for each command that its worker sends. It must have a single thread
whenever it forks, so it does nothing else: it reads requests, forks, signals and reaps. Its standard input is a socket
to the worker. When that closes, the worker is gone, and the server kills everything that still runs.
"""

import contextlib
import dataclasses
import gc
import importlib
import os
import selectors
import signal
import socket
import sys
import threading
from pathlib import Path

from flytetemporal.plugins.process import changes, child, descendants, entrypoints, messages, rehearsal
from flytetemporal.plugins.process.entrypoints import Loaded
from flytetemporal.plugins.process.messages import Ended, Launch, Message, Ready, Refused, Signal, Started

_CHUNK_BYTES = 1 << 16
_UNREHEARSED = "--unrehearsed"
# Less than the worker waits for its server to stop.
_KILL_SECONDS = 3


class ForkServer:
    """Serves one worker over ``control`` until that closes. ``loaded`` is None if flytekit cannot be used."""

    def __init__(self, control: socket.socket, loaded: Loaded | None) -> None:
        self._control = control
        self._loaded = loaded
        self._running: dict[int, Launch] = {}
        self._spared = set(descendants.children())
        """Children that belong to no attempt, and those that cannot be killed."""
        self._selector = selectors.PollSelector()  # Unlike epoll it has no file descriptor that forks would share.
        self._wake, self._waker = socket.socketpair()

    def serve(self) -> None:
        """Fork, signal and reap until the worker is gone, then kill what is left."""
        self._wake.setblocking(False)
        self._waker.setblocking(False)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        # Without a handler in Python, a signal would not be written to the wakeup descriptor.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._control, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        try:
            self._loop()
        finally:
            self._kill_all()

    def _kill_all(self) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for pid in self._running:
            descendants.kill_group(pid)
        for launch in self._running.values():
            descendants.kill_tagged(launch.tag)
        descendants.kill_children(self._spared, _KILL_SECONDS)

    def _loop(self) -> None:
        pending = b""
        while True:
            ready = {key.fileobj for key, _ in self._selector.select()}
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(_CHUNK_BYTES)
                self._reap()
            if self._control in ready:
                data = self._control.recv(_CHUNK_BYTES)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._handle(messages.decode(line))

    def _handle(self, message: Message) -> None:
        match message:
            case Launch():
                self._launch(message)
            case Signal():
                for pid, launch in self._running.items():
                    if launch.id == message.id:
                        descendants.kill_group(pid, message.number)
            case _:
                raise TypeError(f"unexpected message from the worker: {message}")

    def _launch(self, launch: Launch) -> None:
        server, loaded = os.getpid(), self._loaded
        if loaded is not None and threading.active_count() > 1:
            loaded = dataclasses.replace(loaded, single_threaded=False)
        try:
            pid = os.fork()
        except OSError as e:
            self._send(Refused(launch.id, f"cannot fork: {e.strerror}"))
            return
        if pid == 0:
            private = (self._control.fileno(), self._wake.fileno(), self._waker.fileno())
            child.become(launch, server, private, loaded)
        self._running[pid] = launch
        self._send(Started(launch.id, pid))

    def _reap(self) -> None:
        """Report each process that has ended, once everything it has started is gone; also reap adopted processes."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            launch = self._running.pop(ended.si_pid, None)
            if launch is not None:
                # Until the dead leader is waited for, the kernel does not reuse the number of its group.
                descendants.kill_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            self._spared.discard(ended.si_pid)
            # Also when an adopted process has ended: its children are adopted now.
            self._spared.update(descendants.kill_children(self._spared | self._running.keys(), _KILL_SECONDS))
            if launch is not None:
                self._send(Ended(launch.id, status))

    def _send(self, message: Message) -> None:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # The worker is gone; the loop stops when it reads the end.
            self._control.sendall(messages.encode(message))


def main() -> None:
    """Serve the worker at standard input."""
    child.adopt_orphans()
    problem = _load_flytekit()
    if not problem:
        _rehearse()
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    importlib.invalidate_caches()  # Here once, and not in each fork: it writes to hundreds of objects.
    loaded = None if problem else Loaded.now()
    files = changes.loaded_files()
    gc.collect()
    gc.freeze()  # A garbage collection in a fork would write to every page of the server, and so copy it.
    threads = _thread_count()
    if loaded is not None and threads > 1:
        problem = f"importing flytekit started {threads - 1} threads"
        loaded = dataclasses.replace(loaded, single_threaded=False)
    try:
        control.sendall(messages.encode(Ready(files, problem)))
    except (BrokenPipeError, ConnectionResetError):  # The worker is gone.
        return
    ForkServer(control, loaded).serve()


def _load_flytekit() -> str:
    """Import flytekit; return why that fails, or an empty text."""
    outside = entrypoints.EXECUTION_VARIABLE not in os.environ
    if outside:  # flytekit sets up other loggers outside of an execution.
        os.environ[entrypoints.EXECUTION_VARIABLE] = "none"
    try:
        importlib.import_module(entrypoints.ENTRYPOINT)
    except BaseException as e:  # Plugins of flytekit can raise anything. Other programs can still run.
        return f"flytekit cannot be imported: {type(e).__name__}: {e}"
    finally:
        if outside:
            del os.environ[entrypoints.EXECUTION_VARIABLE]
    return ""


def _rehearse() -> None:
    """Rehearse a task, or start again without if that is impossible. Standard input is still the worker's socket."""
    if _UNREHEARSED in sys.argv:
        return
    try:
        rehearsal.rehearse()
    except rehearsal.Failed as e:
        print(f"the fork server is slow, since it cannot rehearse a task: {e}", file=sys.stderr, flush=True)  # noqa: T201
        os.execv(sys.executable, [sys.executable, "-P", "-m", __spec__.name, _UNREHEARSED])


def _thread_count() -> int:
    """Return the number of threads, with those of C libraries if the system shows them."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


if __name__ == "__main__":
    main()
