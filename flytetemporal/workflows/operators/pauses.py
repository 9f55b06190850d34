"""Pauses of a run: what may start nothing new, and the coroutines that wait for its resumption.

Admin records pauses and delivers those that apply to an execution as one message with a revision. Only a higher
revision counts, so a delivery that is late or repeated changes nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import TypeAlias

from flyteidl.core import identifier_pb2

from flytetemporal.contracts.v1 import pauses_pb2

Path: TypeAlias = tuple[str, ...]
"""Ids of the nodes above a node, outermost first, and its own; empty: the execution."""


class Stop:
    """An attempt whose coroutine a pause can cancel."""

    def __init__(self, task: "asyncio.Task[object]") -> None:
        self._task = task
        self._is_requested = False
        # Stays true when the cancellation has been taken back.
        self.was_requested = False

    def request(self) -> None:
        """Cancel the attempt, once."""
        if not self._is_requested:
            self._is_requested = self.was_requested = True
            self._task.cancel()

    def absorb(self) -> bool:
        """Take back the cancellation by a pause; return whether there was one, and no other one has arrived since."""
        if not self._is_requested:
            return False
        self._is_requested = False
        return self._task.uncancel() == 0


class Pauses:
    """The pauses that apply to one execution."""

    def __init__(self) -> None:
        self._message = pauses_pb2.Pauses()
        self._execution = ""
        self._all: list[pauses_pb2.Pause] = []
        self._of_nodes: dict[str, pauses_pb2.Pause] = {}
        # Lists and dicts, not sets: coroutines are woken and attempts are stopped in the same order on every replay.
        self._waiting: list[tuple[Path, asyncio.Future[None]]] = []
        self._stops: dict[Stop, Path] = {}
        self._followers: dict[object, Callable[[], None]] = {}

    @property
    def message(self) -> pauses_pb2.Pauses:
        """The newest delivery, for the next run and for shards."""
        return self._message

    @property
    def is_empty(self) -> bool:
        """Whether nothing is paused."""
        return not self._all and not self._of_nodes

    def begin(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, given: pauses_pb2.Pauses) -> None:
        """Start with the pauses of the run's argument, unless a newer delivery has arrived before the run started."""
        self._execution = execution_id.name
        self._apply(max(given, self._message, key=lambda message: message.revision))

    def update(self, given: pauses_pb2.Pauses) -> None:
        """Replace the pauses if the delivery is newer: wake what may continue, stop what must not run."""
        if given.revision <= self._message.revision:
            return
        self._apply(given)
        waiting, self._waiting = self._waiting, []
        for path, future in waiting:
            if future.done():  # Its coroutine was cancelled.
                continue
            if self.blocking(path) is None:
                future.set_result(None)
            else:
                self._waiting.append((path, future))
        for stop, path in list(self._stops.items()):
            if any(pause.stop_running for pause in self._blocking(path)):
                stop.request()
        for follow in list(self._followers.values()):
            follow()

    def _apply(self, message: pauses_pb2.Pauses) -> None:
        self._message = message
        self._all, self._of_nodes = [], {}
        for pause in message.pauses:
            target = pause.target
            # A node of an execution above has launched this one, so its pause applies to all nodes here.
            if target.kind == pauses_pb2.PauseTarget.NODE and target.name == self._execution:
                self._of_nodes[target.node_id] = pause
            else:
                self._all.append(pause)

    def _blocking(self, path: Path) -> Iterator[pauses_pb2.Pause]:
        yield from self._all
        if self._of_nodes:
            yield from (self._of_nodes[node_id] for node_id in path if node_id in self._of_nodes)

    def blocking(self, path: Path) -> pauses_pb2.Pause | None:
        """Return a pause that keeps the node from starting anything; None if there is none."""
        return next(self._blocking(path), None)

    async def resumed(self, path: Path) -> None:
        """Return when no pause keeps the node from starting anything."""
        while self.blocking(path) is not None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((path, future))
            await future

    @contextlib.contextmanager
    def stopping(self, stop: Stop, path: Path) -> Iterator[None]:
        """Let pauses stop the attempt of a node while the block runs."""
        self._stops[stop] = path
        try:
            yield
        finally:
            del self._stops[stop]

    @contextlib.contextmanager
    def followed(self, follow: Callable[[], None]) -> Iterator[None]:
        """Call ``follow`` after every change while the block runs."""
        key = object()  # The same function can be given twice, and a list would take long to remove one of thousands.
        self._followers[key] = follow
        try:
            yield
        finally:
            del self._followers[key]


def stop_of_current() -> Stop:
    """Return a stop of the current coroutine.

    Raises:
        RuntimeError: no task runs.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("an attempt runs in a task")
    return Stop(task)
