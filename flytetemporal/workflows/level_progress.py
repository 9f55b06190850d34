"""Which nodes of one level have ended, and which are ready because of it. No coroutines: those are in ``walk``."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flytetemporal.workflows.node.graph import Body


@dataclass(slots=True)
class _NodeState:
    """Where one node stands."""

    # Upstream nodes that have not ended.
    unended: int
    has_ended: bool = False
    # An upstream node ended without outputs, so this one is skipped.
    upstream_skipped: bool = False
    # It ended without outputs, so the nodes downstream are skipped.
    propagates_skip: bool = False
    # Done when the node ends; created when something waits for that.
    end: "asyncio.Future[None] | None" = None


class LevelProgress:
    """The states of a level's nodes, by position. To end a node costs O(its successors)."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._nodes = [_NodeState(len(upstream)) for upstream in body.upstream]
        self._open = len(body.nodes)

    @property
    def is_complete(self) -> bool:
        """Whether all nodes have ended."""
        return self._open == 0

    def has_ended(self, position: int) -> bool:
        """Whether the node has ended, with outputs or without."""
        return self._nodes[position].has_ended

    def is_skipped(self, position: int) -> bool:
        """Whether the node is skipped instead of started when it becomes ready."""
        return self._nodes[position].upstream_skipped

    def end(self, position: int, *, has_outputs: bool) -> list[int]:
        """End a node and return, ascending, the positions of the nodes that this makes ready."""
        node = self._nodes[position]
        self._open -= 1
        node.has_ended = True
        node.propagates_skip = not has_outputs
        if node.end is not None:
            node.end.set_result(None)
        ready = []
        for successor in self._body.downstream[position]:
            after = self._nodes[successor]
            after.unended -= 1
            after.upstream_skipped |= node.propagates_skip
            if after.unended == 0:
                ready.append(successor)
        return ready

    def ready(self) -> list[int]:
        """Return, ascending, the positions of the nodes that can start; for a level that was restored."""
        return [position for position, node in enumerate(self._nodes) if node.unended == 0 and not node.has_ended]

    def ended(self, *, with_outputs: bool) -> list[int]:
        """Return, ascending, the positions of the nodes that have ended, either with outputs or without."""
        return [
            position
            for position, node in enumerate(self._nodes)
            if node.has_ended and node.propagates_skip != with_outputs
        ]

    async def wait_for(self, positions: Iterable[int]) -> None:
        """Return when the nodes at ``positions`` have ended."""
        for position in positions:
            node = self._nodes[position]
            if not node.has_ended:
                if node.end is None:
                    node.end = asyncio.get_running_loop().create_future()
                # The future is shared: a waiter that is cancelled must not cancel it for the others.
                await asyncio.shield(node.end)

    def blocked(self) -> Iterator[tuple[int, list[int]]]:
        """Yield each node that waits for others, with the positions of those of them that have not ended."""
        for position, node in enumerate(self._nodes):
            if node.unended and not node.has_ended:
                yield position, [other for other in self._body.upstream[position] if not self._nodes[other].has_ended]
