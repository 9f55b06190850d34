"""Ids of node executions: Flyte's, but no two long names of one execution share one.

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
        return flytes if self._may_have(name, flytes) else naming.node_id(name, naming.UNIQUE_HASH_BITS)

    def take(self, name: str) -> str:
        """Return the id of a node, which it keeps."""
        flytes = naming.node_id(name)
        if not self._may_have(name, flytes):
            return naming.node_id(name, naming.UNIQUE_HASH_BITS)
        if self._distinct and flytes != name:
            self._names[flytes] = name
        return flytes

    def hashed(self) -> list[str]:
        """Return the names that have Flyte's hash, for the next run."""
        return list(self._names.values())

    def restore(self, names: Iterable[str]) -> None:
        """Remember what ``hashed`` returned in the run before."""
        self._names.update((naming.node_id(name), name) for name in names)

    def _may_have(self, name: str, flytes: str) -> bool:
        if not self._distinct or flytes == name:
            return True
        owner = self._names.get(flytes)
        return owner == name or (owner is None and len(self._names) < self._most)
