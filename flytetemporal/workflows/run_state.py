"""The state that a run passes to the next run of the same execution: its levels, its open nodes, its node ids.

A node keeps its own ``OpenNode`` up to date while it runs, so the state can be written at any moment at which all open
nodes are idle. When that moment has come is decided in ``continuation``.
"""

import contextlib
import enum
import gzip
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from google.protobuf import timestamp_pb2
from temporalio import workflow
from temporalio.common import RetryPolicy

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.node_ids import NodeIds
from flytetemporal.workflows.throttling.suspension import Suspended

# A state up to this size is part of the start argument, which stays below 512 kB. A larger one is stored in parts, each
# of them the argument of an activity and below Temporal's limit of 2 MB.
INLINE_BYTES = 256 * 1024
PART_BYTES = 1024 * 1024
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=5)
# The level of the primary workflow, which is below no node.
PRIMARY = ""


class ContinueAsNewRequested(Exception):
    """The run ends here; the next one starts with ``argument``."""

    def __init__(self, argument: execution_pb2.ExecutionInput) -> None:
        super().__init__("the execution continues in a new run")
        self.argument = argument


class Standing(enum.Enum):
    """Where a node stands."""

    UNKNOWN = enum.auto()
    WAITING = enum.auto()
    RUNNING = enum.auto()
    # Until its next attempt.
    PAUSING = enum.auto()
    HELD = enum.auto()
    ENDED = enum.auto()


class Level(Protocol):
    """A level of the graph that is being walked."""

    def state(self) -> continuation_pb2.LevelState:
        """Return which nodes have ended, and how."""
        ...

    def request_continue_as_new(self, request: ContinueAsNewRequested) -> bool:
        """Make the walk raise ``request``; return False if it is ending anyway."""
        ...

    def has_ended(self, node_id: str) -> bool | None:
        """Whether a node of this level has ended; None if it is not of this level."""
        ...

    def will_run(self, node_id: str) -> bool:
        """Whether a node is below one of this level that has not ended."""
        ...


class RunState:
    """The levels and open nodes of this run, and those of the previous run that have not been taken up yet."""

    def __init__(self, argument: execution_pb2.ExecutionInput, node_ids: NodeIds) -> None:
        self._argument = argument
        self._node_ids = node_ids
        self._previous = continuation_pb2.RunState()
        self._restored: dict[str, continuation_pb2.OpenNode] = {}
        self._resumed: frozenset[str] = frozenset()
        # Dicts, not sets, wherever order reaches a message or a command: it must be the same on every replay.
        self._levels: dict[str, Level] = {}
        self._open: dict[str, continuation_pb2.OpenNode] = {}

    async def restore(self) -> None:
        """Read the state of the previous run, if there is one."""
        kind = self._argument.WhichOneof("state")
        if kind is None:
            self._previous.began_at.FromDatetime(workflow.info().start_time)
            return
        gzipped = self._argument.inline_state
        if kind == "stored_state":
            gzipped = b"".join([await _load(part) for part in self._argument.stored_state.parts])
        self._previous = continuation_pb2.RunState.FromString(gzip.decompress(gzipped))
        self._node_ids.restore(self._previous.hashed)
        self._restored = {node.node_id: node for node in self._previous.open}
        self._resumed = frozenset(self._restored)  # Only for membership tests; it is never iterated.

    @property
    def began_at(self) -> timestamp_pb2.Timestamp:
        """When the first run of the execution started."""
        return self._previous.began_at

    @property
    def stopped_clock(self) -> continuation_pb2.StoppedClock:
        """Since when the clock of the execution's maximum duration is stopped."""
        return self._previous.clock

    def take_level(self, parent_id: str) -> continuation_pb2.LevelState | None:
        """Return a level's state in the previous run, once: a later attempt walks the level from its start."""
        for position, level in enumerate(self._previous.levels):
            if level.parent_id == parent_id:
                del self._previous.levels[position]
                return level
        return None

    def has_level(self, parent_id: str) -> bool:
        """Whether the previous run walked a level below the node that this run has not taken up yet."""
        return any(level.parent_id == parent_id for level in self._previous.levels)

    def is_resumed(self, node_id: str) -> bool:
        """Whether the node was open in the previous run."""
        return node_id in self._resumed

    def strangers(self) -> list[str]:
        """Return the open nodes of the previous run of which nothing is reused in a recovery."""
        return [node.node_id for node in self._restored.values() if node.is_stranger]

    def is_due(self, node_id: str) -> bool:
        """Whether the node was open in the previous run, or was suspended, and has not started again yet."""
        return node_id in self._restored

    def has_slept(self, node_id: str) -> bool:
        """Whether the node is due and was only sleeping."""
        restored = self._restored.get(node_id)
        return restored is not None and restored.HasField("wakes_at")

    def may_be_delayed(self, node_id: str) -> bool:
        """Whether the start may be delayed: the node is new or was only sleeping.

        Other nodes can have something to stop, such as a child execution, and stop it only once they have started.
        """
        return node_id not in self._restored or self.has_slept(node_id)

    def forget(self, node_id: str) -> None:
        """Forget a suspended node that has been stopped."""
        self._restored.pop(node_id, None)

    @property
    def primary(self) -> Level:
        """The level of the primary workflow."""
        return self._levels[PRIMARY]

    @contextlib.contextmanager
    def walking(self, parent_id: str, level: Level) -> Iterator[None]:
        """Include a level in the state while the block runs."""
        self._levels[parent_id] = level
        try:
            yield
        finally:
            self._levels.pop(parent_id, None)

    @contextlib.contextmanager
    def opened(self, node_id: str) -> Iterator[continuation_pb2.OpenNode]:
        """Include a node in the state while the block runs, and yield its progress for the node to fill in."""
        restored = self._restored.pop(node_id, None)
        progress = continuation_pb2.OpenNode(node_id=node_id) if restored is None else restored
        self._open[node_id] = progress
        try:
            yield progress
        except Suspended:
            self._restored[node_id] = progress
            raise
        finally:
            self._open.pop(node_id, None)

    def is_open(self, node_id: str) -> bool:
        """Whether the node is open; elements of arrays never are."""
        return node_id in self._open

    def standing(self, node_id: str) -> Standing:
        """Return where a node stands; what a dynamic node has not generated yet is UNKNOWN."""
        progress = self._open.get(node_id) or self._restored.get(node_id)
        if progress is not None:
            return _standing(progress)
        for level in self._levels.values():
            has_ended = level.has_ended(node_id)
            if has_ended is not None:
                return Standing.ENDED if has_ended else Standing.WAITING
        will_run = any(level.will_run(node_id) for level in self._levels.values())
        return Standing.WAITING if will_run else Standing.UNKNOWN

    def forget_memory(self, node_id: str) -> None:
        """Take back the memory that an open node got after it had run out of it."""
        progress = self._open.get(node_id) or self._restored.get(node_id)
        if progress is not None:
            progress.ClearField("memory_bytes")

    @property
    def open_count(self) -> int:
        """The number of open nodes."""
        return len(self._open)

    def progress(self, node_id: str) -> continuation_pb2.OpenNode:
        """Return the progress of an open node; for anything else, such as an element of an array, an unused message."""
        return self._open.get(node_id) or continuation_pb2.OpenNode()

    async def next_argument(self) -> execution_pb2.ExecutionInput:
        """Return the argument of the next run; a large state is stored first.

        Raises:
            FailureError: the state cannot be stored.
        """
        # What this run has not taken up yet is passed on unchanged.
        state = continuation_pb2.RunState(
            levels=[*(level.state() for level in self._levels.values()), *self._previous.levels],
            open=[*self._open.values(), *self._restored.values()],
            began_at=self._previous.began_at,
            hashed=self._node_ids.hashed(),
        )
        if self._previous.HasField("clock"):
            state.clock.CopyFrom(self._previous.clock)
        gzipped = gzip.compress(state.SerializeToString(deterministic=True), compresslevel=1, mtime=0)
        argument = execution_pb2.ExecutionInput()
        argument.CopyFrom(self._argument)
        if len(gzipped) <= INLINE_BYTES:
            argument.inline_state = gzipped
            return argument
        directory = locations.states_dir(argument.metadata_dir)
        argument.stored_state.Clear()
        for start in range(0, len(gzipped), PART_BYTES):
            part = continuation_pb2.StateBytes(directory=directory, gzipped=gzipped[start : start + PART_BYTES])
            argument.stored_state.parts.append(await _store(part))
        return argument


def _standing(progress: continuation_pb2.OpenNode) -> Standing:
    if progress.HasField("held"):
        return Standing.HELD
    return Standing.PAUSING if progress.HasField("retry_at") else Standing.RUNNING


async def _store(part: continuation_pb2.StateBytes) -> execution_pb2.ContentReference:
    return await engine_activities.execute(
        activities.store_state, part, retry_policy=RETRY, summary="state for the next run"
    )


async def _load(part: execution_pb2.ContentReference) -> bytes:
    loaded = await engine_activities.execute(activities.load_graph, part, summary="state of the run before")
    return loaded.gzipped
