"""Fork a process for each command that a worker sends, signal it, and report its end.

The process must have a single thread whenever it forks, so it does nothing else. When its control socket closes, the
worker is gone, and it kills everything that still runs.
"""

import contextlib
import dataclasses
import os
import selectors
import signal
import socket
import threading
from collections.abc import Iterable

from flytetemporal.plugins.process import child, descendants, messages
from flytetemporal.plugins.process.entrypoints import Loaded
from flytetemporal.plugins.process.messages import Ended, Launch, Message, Refused, Signal, Started
from flytetemporal.plugins.process.warm.warmth import Warmth

CHUNK_BYTES = 1 << 16
# Less than the worker waits for its server to stop.
_KILL_SECONDS = 3


class ForkServer:
    """Serves one worker over ``control`` until that closes.

    ``loaded`` is None if flytekit cannot be used. ``warmth`` is the code that this process has imported, if it is a
    warm parent; its forks say themselves that they have started, so that they can do without it from then on.
    """

    def __init__(self, control: socket.socket, loaded: Loaded | None, warmth: Warmth | None = None) -> None:
        self._control = control
        self._loaded = loaded
        self._warmth = warmth
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

    @property
    def _private(self) -> Iterable[int]:
        """The file descriptors that forks must close."""
        return (self._control.fileno(), self._wake.fileno(), self._waker.fileno())

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
            ready: set[object] = {key.fileobj for key, _ in self._selector.select(self._patience())}
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(CHUNK_BYTES)
                self._reap()
            if self._control in ready:
                data = self._control.recv(CHUNK_BYTES)
                if not data:
                    return
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._handle(messages.decode(line))
            self._serve_others(ready)

    def _patience(self) -> float | None:
        """Return the seconds after which there is something to do even if nothing happens."""
        return None

    def _serve_others(self, ready: set[object]) -> None:
        """Serve the sockets that a subclass has registered."""

    def _handle(self, message: Message) -> None:
        match message:
            case Launch():
                self._launch(message)
            case Signal():
                self._signal(message)
            case _:
                raise TypeError(f"unexpected message from the worker: {message}")

    def _signal(self, message: Signal) -> None:
        for pid, launch in self._running.items():
            if launch.id == message.id:
                descendants.kill_group(pid, message.number)

    def _launch(self, launch: Launch, note: str = "") -> None:
        server, loaded = os.getpid(), self._loaded
        if loaded is not None and threading.active_count() > 1:
            loaded = dataclasses.replace(loaded, single_threaded=False)
        try:
            pid = os.fork()
        except OSError as e:
            self._send(Refused(launch.id, f"cannot fork: {e.strerror}"))
            return
        if pid == 0:
            announce = None if self._warmth is None else self._announce
            child.become(launch, server, self._private, loaded, self._warmth, announce)
        self._running[pid] = launch
        if self._warmth is None:
            self._send(Started(launch.id, pid, note))

    def _announce(self, launch: Launch) -> None:
        self._send(Started(launch.id, os.getpid()))

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
            if launch is None:
                self._other_ended(ended.si_pid, status)
            # Also when an adopted process has ended: its children are adopted now.
            self._spared.update(descendants.kill_children(self._spared | self._known(), _KILL_SECONDS))
            if launch is not None:
                self._ended(launch, status)

    def _known(self) -> set[int]:
        """Return the processes that run commands, and others that a subclass has started."""
        return set(self._running)

    def _ended(self, launch: Launch, status: int) -> None:
        self._send(Ended(launch.id, status))

    def _other_ended(self, pid: int, status: int) -> None:
        """Note the end of a process that runs no command."""

    def _send(self, message: Message) -> None:
        with contextlib.suppress(
            BrokenPipeError, ConnectionResetError
        ):  # The worker is gone; the loop stops when it reads the end.
            self._control.sendall(messages.encode(message))
