"""What open nodes wait for, as the query ``waits`` answers it.

Every node registers the cause of a wait while it waits. Nothing here influences the run, because a query runs in a
worker's memory and is not part of the history.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from temporalio import workflow

from flytetemporal.contracts.v1 import operations_pb2
from flytetemporal.idl import times

# Nodes in one answer.
LIMIT = 200

Cause: TypeAlias = Callable[[operations_pb2.Wait], None]
"""Fills in the cause of a wait when a query asks for it."""
Level: TypeAlias = Callable[[], Iterator[operations_pb2.Wait]]
"""Yields the waits of those nodes of a level that have no coroutine."""


@dataclass(slots=True)
class _Entry:
    name: str
    since: datetime
    cause: Cause


@dataclass(slots=True)
class WaitRegistry:
    """The waits of one execution."""

    _entries: dict[str, _Entry] = field(default_factory=dict)
    _levels: dict[str, Level] = field(default_factory=dict)

    @contextlib.contextmanager
    def waiting(self, node_id: str, name: str, cause: Cause) -> Iterator[None]:
        """Register what a node waits for while the block runs; afterwards its previous entry is restored."""
        before = self._entries.get(node_id)
        self._entries[node_id] = _Entry(name, workflow.now(), cause)
        try:
            yield
        finally:
            if before is None:
                self._entries.pop(node_id, None)
            else:
                self._entries[node_id] = before

    @contextlib.contextmanager
    def level(self, parent_id: str, waits: Level) -> Iterator[None]:
        """Include ``waits`` in answers while the block runs."""
        self._levels[parent_id] = waits
        try:
            yield
        finally:
            self._levels.pop(parent_id, None)

    def answer(self, node_id: str = "") -> operations_pb2.Waits:
        """Return the waits of one node, or of all nodes that have not ended: those with a coroutine first."""
        found = operations_pb2.Waits()
        for wait in self._all():
            if node_id and wait.node_id != node_id:
                continue
            if len(found.waits) < LIMIT:
                found.waits.append(wait)
            else:
                found.more += 1
        return found

    def _all(self) -> Iterator[operations_pb2.Wait]:
        for node_id, entry in self._entries.items():
            wait = operations_pb2.Wait(node_id=node_id, name=entry.name, since=times.timestamp(entry.since))
            entry.cause(wait)
            yield wait
        for waits in self._levels.values():
            yield from waits()
