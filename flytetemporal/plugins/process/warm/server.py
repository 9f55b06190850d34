"""A fork server that has warm parents: which there are, what they are asked for, and when they go."""

import os
import selectors
import shutil
import signal
import socket
import struct
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from flytetemporal.plugins.process import changes, descendants, messages
from flytetemporal.plugins.process.entrypoints import Loaded
from flytetemporal.plugins.process.messages import Ended, Imported, Launch, Message, Refused, Signal, Started, Warmed
from flytetemporal.plugins.process.serving import CHUNK_BYTES, ForkServer
from flytetemporal.plugins.process.warm import importing, keys
from flytetemporal.plugins.process.warm.keys import Key
from flytetemporal.plugins.process.warm.parent import Parent, State

# An import that takes longer is left to each attempt.
IMPORT_SECONDS = 120.0
CHECK_SECONDS = 1.0
# Code that could not be shared is tried again after this time.
RETRY_SECONDS = 300.0
# Keys that are remembered because their code cannot be shared.
MAX_COLD = 1000
# A parent that does not read for so long is stuck.
SEND_SECONDS = 10


class WarmingServer(ForkServer):
    """A fork server that keeps the code of tasks imported, within ``budget`` bytes. Its files are below ``folder``."""

    def __init__(self, control: socket.socket, loaded: Loaded | None, folder: Path, budget: int) -> None:
        super().__init__(control, loaded)
        self._folder = folder
        self._budget = budget
        self._current: OrderedDict[Key, Parent] = OrderedDict()
        """The parents that are asked for attempts, the least recently used one first."""
        self._parents: set[Parent] = set()
        """Those, and others until their last attempt has ended."""

    # Attempts

    def _launch(self, launch: Launch, note: str = "") -> None:
        parent = self._parent_for(launch)
        if parent is None or parent.state is State.COLD:
            super()._launch(launch, note or (parent.problem if parent else ""))
        elif parent.state is State.IMPORTING:
            parent.waiting[launch.id] = launch
        else:
            self._ask(parent, launch)

    def _ask(self, parent: Parent, launch: Launch) -> None:
        parent.asked[launch.id] = launch
        parent.send(launch)

    def _signal(self, message: Signal) -> None:
        for parent in self._parents:
            if message.id in parent.waiting:
                del parent.waiting[message.id]
                self._send(Refused(message.id, "it was stopped while its code was imported"))
            elif message.id in parent.asked:
                parent.signals[message.id] = message.number
                parent.send(message)
        super()._signal(message)

    # Parents

    def _parent_for(self, launch: Launch) -> Parent | None:
        """Return the parent for an attempt, started now if there is none, or None if it cannot have one."""
        if not launch.warm or self._loaded is None or not self._loaded.single_threaded:
            return None
        key = keys.of(launch)
        if key is None:
            return None
        parent = self._current.get(key)
        if parent is not None and self._is_outdated(parent):
            self._drop(parent)
            parent = None
        if parent is None:
            parent = self._start(key, launch, self._loaded)
        if parent is not None:
            self._current.move_to_end(key)
        return parent

    def _is_outdated(self, parent: Parent) -> bool:
        now = time.monotonic()
        if parent.state is State.IMPORTING:
            return False
        if parent.state is State.COLD and now - parent.started_at > RETRY_SECONDS:
            return True
        if now - parent.checked_at < CHECK_SECONDS:
            return False
        parent.checked_at = now
        return bool(changes.changed(parent.files))

    def _start(self, key: Key, launch: Launch, loaded: Loaded) -> Parent | None:
        folder = Path(tempfile.mkdtemp(prefix="warm-", dir=self._folder))
        ours, theirs = socket.socketpair()
        server, private = os.getpid(), [*self._private, ours.fileno()]
        try:
            pid = os.fork()
        except OSError:
            ours.close()
            theirs.close()
            return None
        if pid == 0:
            importing.become(launch, folder, server, private, loaded, theirs)
        theirs.close()
        # Not ``settimeout``, with which reads would wait, too.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SEND_SECONDS, 0))
        self._selector.register(ours, selectors.EVENT_READ)
        parent = self._current[key] = Parent(key, pid, ours, folder, time.monotonic())
        self._parents.add(parent)
        return parent

    def _drop(self, parent: Parent) -> None:
        """Ask a parent for no more attempts. Those that run go on without it."""
        if self._current.get(parent.key) is parent:
            del self._current[parent.key]
        parent.kill()

    def _settle(self, parent: Parent, problem: str) -> None:
        """End the import of a parent: hand it the attempts that wait, or have the server run them."""
        parent.checked_at = time.monotonic()
        if not problem and parent.private_bytes > self._budget:
            problem = f"it needs {parent.private_bytes >> 20} MiB, more than worker.warm_memory"
        parent.state, parent.problem = (State.COLD, problem) if problem else (State.WARM, "")
        waiting, parent.waiting = list(parent.waiting.values()), {}
        if problem:
            parent.kill()
            self._forget_cold()
        else:
            self._keep_to_budget(parent)
        for launch in waiting:
            if problem:
                super()._launch(launch, problem)
            else:
                self._ask(parent, launch)

    def _keep_to_budget(self, newest: Parent) -> None:
        warm = [parent for parent in self._current.values() if parent.state is State.WARM and parent is not newest]
        total = newest.private_bytes + sum(parent.private_bytes for parent in warm)
        for parent in warm:
            if total <= self._budget:
                return
            self._drop(parent)
            total -= parent.private_bytes

    def _forget_cold(self) -> None:
        cold = [parent for parent in self._current.values() if parent.state is State.COLD]
        for parent in cold[: max(0, len(cold) - MAX_COLD)]:
            del self._current[parent.key]

    # Messages of parents

    def _patience(self) -> float | None:
        starts = [parent.started_at for parent in self._current.values() if parent.state is State.IMPORTING]
        return max(0.0, min(starts) + IMPORT_SECONDS - time.monotonic()) if starts else None

    def _serve_others(self, ready: set[object]) -> None:
        for parent in [parent for parent in self._parents if parent.socket in ready and not parent.is_closed]:
            self._read(parent)
        for parent in list(self._current.values()):
            late = time.monotonic() - parent.started_at > IMPORT_SECONDS
            if parent.state is State.IMPORTING and late:
                parent.kill()
                self._import_ended(parent, Imported(f"its import takes longer than {IMPORT_SECONDS:g} s", {}, 0, 0.0))

    def _read(self, parent: Parent) -> bool:
        """Handle what a parent has sent; return False if that was nothing yet."""
        try:
            data = parent.socket.recv(CHUNK_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._closed(parent)
            return True
        *lines, parent.pending = (parent.pending + data).split(b"\n")
        for line in lines:
            self._hear(parent, messages.decode(line))
        return True

    def _hear(self, parent: Parent, message: Message) -> None:
        match message:
            case Imported():
                self._import_ended(parent, message)
            case Started():
                parent.pids[message.id] = message.pid
                self._send(message)
                if not parent.is_alive:
                    self._adopt(parent, message.id)
            case Refused():
                parent.asked.pop(message.id, None)
                self._send(message)
            case Ended():
                self._attempt_ended(parent, message)
            case _:
                raise TypeError(f"unexpected message from a warm parent: {message}")

    def _attempt_ended(self, parent: Parent, message: Ended) -> None:
        if parent.pids.pop(message.id, None) is None:
            parent.asked.pop(message.id)
            self._send(Refused(message.id, "its process ended before it had started"))
        else:
            self._ended(parent.asked[message.id], message.status)

    def _import_ended(self, parent: Parent, message: Imported) -> None:
        if parent.state is not State.IMPORTING:
            return
        parent.files = dict(message.files)
        parent.private_bytes = message.private_bytes
        self._settle(parent, message.problem)
        self._send(Warmed(parent.key.module, parent.problem, message.private_bytes, message.seconds))

    # Ends of parents

    def _other_ended(self, pid: int, status: int) -> None:
        parent = next((parent for parent in self._parents if parent.pid == pid), None)
        if parent is None:
            return
        parent.is_alive = False
        while not parent.is_closed and self._read(parent):
            pass
        if parent.state is State.IMPORTING:
            self._import_ended(parent, Imported(f"its import ends with {_describe(status)}", {}, 0, 0.0))
        for number in list(parent.pids):
            self._adopt(parent, number)
        self._conclude(parent)

    def _adopt(self, parent: Parent, number: int) -> None:
        """Watch an attempt whose parent is gone: it is a child of this process now."""
        launch, pid = parent.asked[number], parent.pids.pop(number)
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:  # Its parent had waited for it, and did not come to say so.
            self._ended(launch, signal.SIGKILL)
            return
        self._running[pid] = launch
        if number in parent.signals:
            descendants.kill_group(pid, parent.signals[number])

    def _closed(self, parent: Parent) -> None:
        """Note that a parent, and each fork that has not yet started, has closed the socket."""
        self._selector.unregister(parent.socket)
        parent.socket.close()
        parent.is_closed = True
        parent.kill()
        self._conclude(parent)

    def _conclude(self, parent: Parent) -> None:
        """Run the attempts that a parent has not started; remove its files once its last attempt has ended."""
        if parent.is_alive or not parent.is_closed:
            return
        if parent.state is State.WARM and self._current.get(parent.key) is parent:
            del self._current[parent.key]
        running = {launch.id for launch in self._running.values()}
        for number in parent.asked.keys() - running:
            super()._launch(parent.asked.pop(number), "the process that had imported its code was killed")
        self._bury(parent)

    def _ended(self, launch: Launch, status: int) -> None:
        super()._ended(launch, status)
        for parent in list(self._parents):
            if parent.asked.pop(launch.id, None) is not None:
                parent.signals.pop(launch.id, None)
                self._bury(parent)

    def _bury(self, parent: Parent) -> None:
        if not parent.is_alive and parent.is_closed and not parent.asked:
            self._parents.discard(parent)
            shutil.rmtree(parent.folder, ignore_errors=True)

    def _known(self) -> set[int]:
        """Return the parents and their forks, too, which are children of this process as soon as a parent is dead."""
        for parent in list(self._parents):
            while not parent.is_closed and self._read(parent):
                pass
        found = super()._known()
        for parent in self._parents:
            found.update(parent.pids.values(), [parent.pid] if parent.is_alive else [])
        return found

    @property
    def _private(self) -> Iterable[int]:
        sockets = [parent.socket.fileno() for parent in self._parents if not parent.is_closed]
        return (*super()._private, *sockets)


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"
