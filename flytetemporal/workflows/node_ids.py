"""Ids of node executions: Flyte's, except that no two long names of one execution share one.

Flyte replaces a name that is too long with a hash of 32 bits. Of 10,000 such names in one execution, two share a hash
with a probability of 1%. Here the first ``MOST`` names get Flyte's hash unless another name has it; all others get a
hash of 64 bits.
See docs/decisions/0013.
"""

from collections.abc import Iterable

from flytetemporal.idl import naming

# Bounds the names that every run passes on to the next one.
MOST = 1000


class NodeIds:
    """Assigns ids to names. ``distinct`` is false for executions that were started before ids were kept distinct."""

    def __init__(self, *, distinct: bool, most: int = MOST) -> None:
        self._distinct = distinct
        self._most = most
        self._names: dict[str, str] = {}

    def of(self, name: str) -> str:
        """Return the id that a node has or would get now, without assigning it."""
        flytes = naming.node_id(name)
        return flytes if self._may_have(name, flytes) else naming.node_id(name, naming.UNIQUE_HASH_BITS)

    def take(self, name: str) -> str:
        """Assign and return the id of a node; the same name always gets the same id."""
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
        """Restore what ``hashed`` returned in the previous run."""
        self._names.update((naming.node_id(name), name) for name in names)

    def _may_have(self, name: str, flytes: str) -> bool:
        if not self._distinct or flytes == name:
            return True
        owner = self._names.get(flytes)
        return owner == name or (owner is None and len(self._names) < self._most)
