"""What a recovery or a fork reuses of an earlier execution: outputs of nodes, by reference, instead of running them.

The nodes of a level are read when the first of its nodes starts, in pages, so that the history contains a few large
answers and not an activity per node. A run that continues as new reads them again: an ended execution does not change,
and what a fork reuses is in a file, since its source can still run.
"""

import asyncio
from collections.abc import Iterable

from temporalio import exceptions, workflow

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.versions import Patch

Level = dict[str, execution_pb2.EarlierNode]
NONE = execution_pb2.EarlierNode()


class Recovery:
    """The nodes of the execution that is recovered or forked, if there is one."""

    def __init__(self, argument: execution_pb2.ExecutionInput) -> None:
        self.is_active = argument.HasField("recovered_from")
        self._execution_id = argument.recovered_from
        self._reused = argument.reused if argument.HasField("reused") else None
        self._levels: dict[str, asyncio.Task[Level]] = {}
        # Nodes whose id was that of another node, with those below them. Only for membership tests.
        self._strangers: set[str] = set()

    async def find(self, parent_id: str, node_id: str, spec_node_id: str) -> execution_pb2.EarlierNode:
        """Return the same node of the earlier execution; an empty one if nothing of it is reused."""
        if not self.is_active:
            return NONE
        if parent_id in self._strangers:
            self._strangers.add(node_id)
            return NONE
        if parent_id not in self._levels:
            self._levels[parent_id] = asyncio.create_task(self._read(parent_id))
        level = self._levels[parent_id]
        if not level.done():
            # Siblings wait for the same task: the cancellation of one of them must not reach it.
            await workflow.wait([level])
        found = level.result().get(node_id, NONE)
        # The ids of long names are hashes of 32 bits. Of two names with the same hash, the one that starts first gets
        # it, and that can be another one than in the earlier execution. An older worker has not read the names.
        if found.spec_node_id not in ("", spec_node_id) and workflow.patched(Patch.RECOVERY_BY_NAME):
            self._strangers.add(node_id)
            return NONE
        return found

    def is_stranger(self, node_id: str) -> bool:
        """Whether nothing of the node is reused, since another one had its id or that of a node above it."""
        return node_id in self._strangers

    def restore(self, strangers: Iterable[str]) -> None:
        """Restore what ``is_stranger`` answered in the previous run."""
        self._strangers.update(strangers)

    def known(self, parent_id: str, node_id: str) -> execution_pb2.EarlierNode:
        """Return what ``find`` has found; an empty node if the level was not read."""
        if node_id in self._strangers:
            return NONE
        level = self._levels.get(parent_id)
        return level.result().get(node_id, NONE) if level is not None and level.done() else NONE

    def reuses_elements(self, parent_id: str, node_id: str) -> bool:
        """Whether elements of an array that succeeded earlier are reused although the array did not succeed."""
        if node_id in self._strangers:
            return False
        return self.is_active if self._reused is None else self.known(parent_id, node_id).elements

    def dynamic_attempt(self, parent_id: str, node_id: str) -> int | None:
        """Return the attempt that generated a workflow which did not succeed, if its level was read.

        The ids of the nodes below contain the attempt, so only the same attempt finds those that succeeded.
        """
        number = locations.parent(self.known(parent_id, node_id).futures_uri).rpartition("/")[2]
        return int(number) if number.isdecimal() else None

    async def _read(self, parent_id: str) -> Level:
        nodes: Level = {}
        token = ""
        while True:
            request = execution_pb2.EarlierNodesRequest(
                execution_id=self._execution_id, parent_id=parent_id, token=token, reused=self._reused
            )
            try:
                page = await engine_activities.execute(
                    activities.read_earlier_nodes, request, summary=f"earlier nodes below {parent_id or 'the workflow'}"
                )
            except exceptions.ActivityError:
                # As in Flyte: a node of which nothing can be learned runs again.
                workflow.logger.warning("cannot read the nodes to recover", exc_info=True)
                return nodes
            nodes.update((node.node_id, node) for node in page.nodes)
            token = page.token
            if not token:
                return nodes
