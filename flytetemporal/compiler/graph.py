"""Edges between the nodes of a workflow: reachability, height and cycles, all linear in nodes plus edges.

Nothing here recurses: a chain of thousands of nodes would exceed Python's recursion limit.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from flyteidl.core import compiler_pb2

START_NODE = "start-node"
END_NODE = "end-node"

_Key = TypeVar("_Key", bound=Hashable)


@dataclass(slots=True)
class Edges:
    """The edges of a workflow, by consumer and by provider."""

    upstream: dict[str, set[str]] = field(default_factory=dict)
    downstream: dict[str, set[str]] = field(default_factory=dict)

    def add(self, provider: str, consumer: str) -> None:
        """Add an edge to both of its ends."""
        self.add_upstream(provider, consumer)
        self.downstream.setdefault(provider, set()).add(consumer)

    def add_upstream(self, provider: str, consumer: str) -> None:
        """Add an edge to its consumer only: it waits for the provider, but a walk from the start does not reach it."""
        self.upstream.setdefault(consumer, set()).add(provider)

    def connections(self) -> compiler_pb2.ConnectionSet:
        """Return the edges in Flyte's form; ids are sorted, because equal workflows must have equal closures."""
        connections = compiler_pb2.ConnectionSet()
        for node_id in sorted(self.downstream):
            connections.downstream[node_id].ids.extend(sorted(self.downstream[node_id]))
        for node_id in sorted(self.upstream):
            connections.upstream[node_id].ids.extend(sorted(self.upstream[node_id]))
        return connections


def reachable(start: _Key, successors: Mapping[_Key, Iterable[_Key]]) -> set[_Key]:
    """Return the keys that can be reached from ``start``, including itself."""
    seen = {start}
    waiting = [start]
    while waiting:
        for successor in successors.get(waiting.pop(), ()):
            if successor not in seen:
                seen.add(successor)
                waiting.append(successor)
    return seen


def height(start: _Key, successors: Mapping[_Key, Iterable[_Key]]) -> int:
    """Return the number of edges of the longest path from ``start``; edges back into the path are not followed.

    Like ``find_cycle`` a depth-first search that visits no key twice.
    """
    heights: dict[_Key, int] = {}
    path: dict[_Key, int] = {start: 0}
    stack = [(start, iter(successors.get(start, ())))]
    while stack:
        key, remaining = stack[-1]
        successor = next(remaining, None)
        if successor is None:
            stack.pop()
            heights[key] = path.pop(key)
            if stack:
                above = stack[-1][0]
                path[above] = max(path[above], heights[key] + 1)
        elif successor in heights:
            path[key] = max(path[key], heights[successor] + 1)
        elif successor not in path:
            path[successor] = 0
            stack.append((successor, iter(successors.get(successor, ()))))
    return heights[start]


def find_cycle(start: _Key, successors: Mapping[_Key, Iterable[_Key]]) -> list[_Key] | None:
    """Return the path from ``start`` into the first cycle found, ending with its first repeated key; None without one.

    A depth-first search that visits no finished key again, so the number of paths through the graph does not matter.
    """
    path: dict[_Key, None] = {start: None}  # An ordered set: the keys on the current path.
    finished: set[_Key] = set()
    stack = [(start, iter(successors.get(start, ())))]
    while stack:
        key, remaining = stack[-1]
        successor = next((candidate for candidate in remaining if candidate not in finished), None)
        if successor is None:
            stack.pop()
            del path[key]
            finished.add(key)
        elif successor in path:
            return [*path, successor]
        else:
            path[successor] = None
            stack.append((successor, iter(successors.get(successor, ()))))
    return None
