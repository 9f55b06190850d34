"""One level of a workflow as a fork sees it: its nodes, what runs after what, and which nodes read the inputs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flytetemporal.admin.forks import fitting
from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import literals

# Names of the workflow's inputs in bindings.
_INPUTS = ("", "start-node")
# start-node and end-node come first. Neither is reused: both cost nothing.
_FIRST = 2


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of a workflow, or those of which a branch runs one.

    ``earlier`` are the nodes of the source's version by id. ``parent_id`` and ``attempt`` name the node execution that
    the level is below; they are ``""`` and ``"0"`` at the top.
    """

    definition: fitting.Definition
    earlier_definition: fitting.Definition
    nodes: Mapping[int, graph_pb2.Node]
    earlier: Mapping[str, graph_pb2.Node]
    parent_id: str = ""
    attempt: str = "0"
    # The nodes of a branch do not run after each other.
    ordered: bool = True

    def upstream(self, position: int) -> set[int]:
        """Return the positions of the nodes that a node, or what a branch may run, waits for."""
        if not self.ordered:
            return set()
        found = {other for part in _with_parts(self.nodes[position]) for other in part.upstream}
        return (found - {position}) & self.nodes.keys()

    def after(self, positions: Iterable[int]) -> dict[int, int]:
        """Return everything that runs after the nodes, with the one of them that it was found from."""
        downstream: dict[int, list[int]] = {}
        for position in self.nodes:
            for other in self.upstream(position):
                downstream.setdefault(other, []).append(position)
        found: dict[int, int] = {}
        pending = [(position, position) for position in positions]
        while pending:
            position, root = pending.pop(0)
            for other in downstream.get(position, ()):
                if other not in found:
                    found[other] = root
                    pending.append((other, root))
        return found

    def before(self, position: int) -> set[int]:
        """Return everything that runs before a node."""
        found: set[int] = set()
        pending = [position]
        while pending:
            fresh = self.upstream(pending.pop()) - found
            found |= fresh
            pending.extend(fresh)
        return found

    def inputs_of(self, position: int) -> set[str]:
        """Return the inputs of the workflow that a node, or what a branch may run, is bound to."""
        return {
            promise.var
            for part in _with_parts(self.nodes[position])
            for binding in part.inputs
            for promise in literals.promises(binding.binding)
            if promise.node_id in _INPUTS
        }


def of_workflow(
    definition: fitting.Definition,
    earlier: fitting.Definition,
    places: tuple[int, int] = (0, 0),
    below: tuple[str, str] = ("", "0"),
) -> Level:
    """Return the level of a workflow; ``places`` are its positions in the two graphs, by default the primary one's.

    ``below``: id and attempt of the node that it is below.
    """
    position, before = places
    return Level(
        definition,
        earlier,
        dict(list(enumerate(definition.graph.workflows[position].nodes))[_FIRST:]),
        {node.id: node for node in earlier.graph.workflows[before].nodes},
        *below,
    )


def of_branch(level: Level, node: graph_pb2.Node, parent_id: str) -> Level:
    """Return the level of the nodes of which a branch runs one."""
    earlier = level.earlier.get(node.id)
    before: Sequence[graph_pb2.Node] = fitting.branch_nodes(earlier) if earlier is not None else ()
    return Level(
        level.definition,
        level.earlier_definition,
        dict(enumerate(fitting.branch_nodes(node))),
        {child.id: child for child in before},
        parent_id,
        ordered=False,
    )


def _with_parts(node: graph_pb2.Node) -> Iterator[graph_pb2.Node]:
    """Yield a node and, of a branch, everything that it may run."""
    yield node
    if node.HasField("branch"):
        for child in fitting.branch_nodes(node):
            yield from _with_parts(child)
