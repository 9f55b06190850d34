"""Ids of node executions: Flyte's, but two nodes of one execution never share one.

Flyte makes a hash of 32 bits of a name that is too long; of 10,000 such names in an execution two have the same hash in
one case of a hundred. Here the first ``MOST`` names get Flyte's hash unless another has it, all others one of 64 bits.
See docs/decisions/0013.
"""

from collections.abc import Iterable

from flytetemporal.idl import naming

# What is kept of them, over all runs of the execution, stays small.
MOST = 1000


class NodeIds:
    """Gives ids to names. Not ``distinct``: as in executions that were started before there was this."""

    def __init__(self, *, distinct: bool, most: int = MOST) -> None:
        self._distinct = distinct
        self._most = most
        self._names: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the id that a node has, or would be given now; this changes nothing."""
        flytes = naming.node_id(name)
        if flytes == name or not self._distinct or self._is_free(flytes, name):
            return flytes
        return naming.node_id(name, naming.DISTINCT_BITS)

    def take(self, name: str) -> str:
        """Return the id of a node, which it keeps."""
        found = self.of(name)
        if self._distinct and found not in (name, naming.node_id(name, naming.DISTINCT_BITS)):
            self._names[found] = name
        return found

    def hashed(self) -> list[str]:
        """Return the names that have Flyte's hash, for the next run."""
        return list(self._names.values())

    def restore(self, names: Iterable[str]) -> None:
        """Remember what ``hashed`` returned in the run before."""
        self._names.update((naming.node_id(name), name) for name in names)

    def _is_free(self, hashed: str, name: str) -> bool:
        owner = self._names.get(hashed)
        return owner == name or (owner is None and len(self._names) < self._most)
