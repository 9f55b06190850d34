"""The plan of a fork: which nodes are reused, which run again, and why. Pure.

A node runs again if it is asked for, if it is bound to an input that changed, if it does not fit the version that
runs, if it has not succeeded, or if it runs after such a node. It then runs whole, with all that is below it. Only a
node that has not succeeded, or below which a node is asked for, is entered: what has succeeded below it is reused.
"""

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flytetemporal import errors
from flytetemporal.admin.forks import fitting, levels
from flytetemporal.admin.forks.levels import Level
from flytetemporal.admin.forks.sources import TOP_LEVEL, SourceNode, SourceNodes
from flytetemporal.contracts.v1 import execution_pb2, fork_pb2, graph_pb2
from flytetemporal.idl import locations, naming


class Cause(enum.Enum):
    """Why a node runs again by itself, as opposed to after another one."""

    ASKED = enum.auto()
    INPUT = enum.auto()
    MISFIT = enum.auto()
    BELOW = enum.auto()
    UNFINISHED = enum.auto()


@dataclass(frozen=True, slots=True)
class Asked:
    """What the caller asks for. ``has_version``: another version of the workflow than the source's."""

    source: str
    from_nodes: frozenset[str] = frozenset()
    changed_inputs: Collection[str] = ()
    has_version: bool = False


@dataclass(slots=True)
class Plan:
    """What is reused, and an answer for each node that was looked at, by node id."""

    nodes: dict[str, fork_pb2.ForkedNode] = field(default_factory=dict)
    reused: execution_pb2.ReusedNodes = field(default_factory=execution_pb2.ReusedNodes)
    # The nodes of the graph, by id; those that run with a whole node above are not among them.
    specs: dict[str, tuple[Level, graph_pb2.Node]] = field(default_factory=dict)

    @property
    def reused_count(self) -> int:
        """The number of nodes that are reused."""
        return sum(node.reused for node in self.nodes.values())


class Planner:
    """Plans one fork. ``generated`` are the graphs of dynamic nodes, by node id; ``open_children`` ids of nodes."""

    def __init__(
        self,
        asked: Asked,
        nodes: SourceNodes,
        generated: Mapping[str, graph_pb2.Graph],
        open_children: Collection[str],
    ) -> None:
        self._asked = asked
        self._nodes = nodes
        self._generated = generated
        self._open_children = open_children
        self._entered = entered_nodes(asked, nodes)
        self._seen: set[str] = set()
        self._plan = Plan()

    def plan(self, definition: fitting.Definition, earlier: fitting.Definition) -> Plan:
        """Return the plan.

        Raises:
            NotFound: a node to start from does not exist.
            FailedPrecondition: a node before it cannot be reused.
        """
        self._level(levels.of_workflow(definition, earlier))
        for node_id in sorted(self._asked.from_nodes - self._seen):
            if self._nodes.get(node_id) is None:
                raise self._missing(node_id)
            # What is below a node that runs whole runs as well.
        return self._plan

    def _level(self, level: Level) -> None:
        causes = {position: cause for position in level.nodes if (cause := self._cause(level, position)) is not None}
        after = level.after(position for position in level.nodes if position in causes)
        self._check_asked(level, {position: cause for position, (cause, _) in causes.items()})
        reused = self._plan.reused.levels.add(parent_id=level.parent_id)
        for position, spec in level.nodes.items():
            node = self._nodes.at(level.parent_id, level.attempt, spec.id)
            if node is None and not level.ordered:  # The branch chose another one.
                continue
            reason = causes[position][1] if position in causes else ""
            if not reason and position in after:
                reason = f"it runs after {level.nodes[after[position]].id}"
            self._answer(level, spec, node, reason)
            if not reason and node is not None:
                reused.nodes.append(_reused(node))
            elif node is not None and position not in after and causes[position][0] in (Cause.BELOW, Cause.UNFINISHED):
                self._enter(level, spec, node, reused)

    def _answer(self, level: Level, spec: graph_pb2.Node, node: SourceNode | None, reason: str) -> None:
        node_id = node.id if node is not None else spec.id if not level.parent_id else _below(level, spec)
        self._seen.add(node_id)
        self._plan.specs[node_id] = (level, spec)
        self._plan.nodes[node_id] = fork_pb2.ForkedNode(
            node_id=node_id, name=spec.name, reused=not reason, reason=reason
        )

    def _cause(self, level: Level, position: int) -> tuple[Cause, str] | None:
        """Return why a node runs again by itself, and the reason as a text."""
        spec = level.nodes[position]
        node = self._nodes.at(level.parent_id, level.attempt, spec.id)
        if (node.id if node is not None else spec.id if not level.parent_id else "") in self._asked.from_nodes:
            return Cause.ASKED, "it is asked for"
        changed = sorted(level.inputs_of(position).intersection(self._asked.changed_inputs))
        if changed and level.parent_id == TOP_LEVEL:
            return Cause.INPUT, f"it reads input {', '.join(changed)}, which changed"
        misfit = self._misfit(level, spec, node)
        return (Cause.MISFIT, misfit) if misfit else self._cause_of_state(node)

    def _cause_of_state(self, node: SourceNode | None) -> tuple[Cause, str] | None:
        if node is None:
            return Cause.UNFINISHED, f"it did not run in {self._asked.source}"
        if node.id in self._entered:
            return Cause.BELOW, "a node below it runs again"
        if not node.has_outputs:
            return Cause.UNFINISHED, f"it is {node.phase} in {self._asked.source}"
        return None

    def _misfit(self, level: Level, spec: graph_pb2.Node, node: SourceNode | None) -> str:
        if not self._asked.has_version:
            return ""
        earlier = level.earlier.get(spec.id)
        found = fitting.problem(level.definition, spec, level.earlier_definition, earlier)
        if found and node is not None and node.id in self._entered:
            raise errors.FailedPrecondition(
                f"nothing below node {node.id} can be reused, since {found}; fork from {node.id} instead"
            )
        return found

    def _check_asked(self, level: Level, causes: Mapping[int, Cause]) -> None:
        """Refuse to start from a node if one before it cannot be reused and does not run again on request."""
        self._check_present(level)
        asked = [position for position, cause in causes.items() if cause in (Cause.ASKED, Cause.BELOW)]
        requested = {p for p, cause in causes.items() if cause in (Cause.ASKED, Cause.INPUT, Cause.BELOW)}
        requested |= level.after(sorted(requested)).keys()
        for position in asked:
            for other in sorted(level.before(position) - requested):
                if other in causes:
                    raise self._unusable(level, position, other)

    def _check_present(self, level: Level) -> None:
        """Refuse nodes to start from, or to enter, that are not at their place in the version that runs."""
        present = {spec.id for spec in level.nodes.values()}
        for node_id in sorted(self._asked.from_nodes | self._entered):
            node = self._nodes.get(node_id)
            if node is None or node.parent_id != level.parent_id:
                continue
            if node.message.metadata.spec_node_id not in present:
                raise errors.NotFound(
                    f"node {node_id} of execution {self._asked.source} does not exist in version "
                    f"{level.definition.version} of the workflow, or cannot be a node to start from"
                )
            if level.parent_id and node.attempt != level.attempt:
                raise errors.FailedPrecondition(
                    f"node {node_id} is part of attempt {node.attempt} of {level.parent_id}, and only those of attempt "
                    f"{level.attempt} can be reused; fork from {level.parent_id}"
                )

    def _unusable(self, level: Level, position: int, other: int) -> errors.FailedPrecondition:
        cause, before = self._cause(level, other), level.nodes[other].id
        return errors.FailedPrecondition(
            f"cannot fork execution {self._asked.source} from {level.nodes[position].id}: node {before} before it "
            f"cannot be reused ({cause[1] if cause is not None else 'no outputs'}); fork from {before} too, or name no "
            "node to run all that has not succeeded"
        )

    def _missing(self, node_id: str) -> errors.NotFound:
        source = self._asked.source
        above = next((n.id for n in self._nodes if n.phase == "RECOVERED" and node_id.startswith(f"{n.id}-")), "")
        if above:
            return errors.NotFound(
                f"node {node_id} does not exist in execution {source}, which reuses {above} of the execution that it "
                f"recovers or forks; fork that one, or fork from {above}"
            )
        named = [node.node_id for node in self._plan.nodes.values() if node.name == node_id]
        if named:
            return errors.NotFound(
                f"node {node_id} does not exist in execution {source}: this is a name; you mean {' or '.join(named)}"
            )
        return errors.NotFound(
            f"node {node_id} does not exist in execution {source}; see its nodes with: "
            f"flytetemporal fork {source} --dry-run"
        )

    # What is below a node that is entered.

    def _enter(self, level: Level, spec: graph_pb2.Node, node: SourceNode, reused: execution_pb2.ReusedLevel) -> None:
        """Add the traces of a node that did not succeed, and plan the level below it."""
        match spec.WhichOneof("target"):
            case "subworkflow":
                places = (spec.subworkflow.workflow, level.earlier[spec.id].subworkflow.workflow)
                self._level(levels.of_workflow(level.definition, level.earlier_definition, places, (node.id, "0")))
            case "branch":
                self._level(levels.of_branch(level, spec, node.id))
            case "array" if spec.array.node.HasField("task") and not spec.array.HasField("job"):
                reused.nodes.append(_trace(node, elements=True))
            case "launch_plan" if not self._asked.has_version and node.id not in self._open_children:
                if node.message.closure.HasField("workflow_node_metadata"):
                    reused.nodes.append(_trace(node, child=node.message.closure.workflow_node_metadata.executionId))
            case "task":
                self._enter_task(level, node, reused)
            case _:  # A gate waits again, and nothing is left of a child that runs another version.
                return

    def _enter_task(self, level: Level, node: SourceNode, reused: execution_pb2.ReusedLevel) -> None:
        """Add a checkpoint, or the workflow that a dynamic node generated; neither is used by another version."""
        closure, graph = node.message.closure, self._generated.get(node.id)
        if self._asked.has_version:
            if node.id in self._entered:
                raise errors.FailedPrecondition(
                    f"the nodes below {node.id} were generated by version {level.earlier_definition.version} and "
                    f"cannot be reused by another one; fork from {node.id}"
                )
        elif graph is not None and closure.dynamic_job_spec_uri:
            reused.nodes.append(
                _trace(node, futures_uri=closure.dynamic_job_spec_uri, input_uri=node.message.input_uri)
            )
            attempt = locations.parent(closure.dynamic_job_spec_uri).rpartition("/")[2]
            generated = fitting.Definition(level.definition.version, graph, {})
            self._level(levels.of_workflow(generated, generated, below=(node.id, attempt)))
        elif closure.task_node_metadata.checkpoint_uri:
            reused.nodes.append(_trace(node, checkpoint_uri=closure.task_node_metadata.checkpoint_uri))


def named_nodes(from_nodes: Iterable[str], definition: fitting.Definition, nodes: SourceNodes) -> list[str]:
    """Return the ids of the nodes to start from, some of which are given by name.

    A name stands for a node of the top level, if no other one there has it. What is no such name is left as it is.
    """
    top = levels.of_workflow(definition, definition).nodes.values()
    ids = {node.id for node in top}
    named: dict[str, list[str]] = {}
    for node in top:
        named.setdefault(node.name, []).append(node.id)

    def node_id(given: str) -> str:
        if given in ids or nodes.get(given) is not None or len(named.get(given, ())) != 1:
            return given
        return named[given][0]

    return list(dict.fromkeys(node_id(given) for given in from_nodes))


def entered_nodes(asked: Asked, nodes: SourceNodes) -> frozenset[str]:
    """Return the nodes below which a node is asked for."""
    return frozenset(above for node_id in asked.from_nodes for above in nodes.above(node_id))


def _reused(node: SourceNode) -> execution_pb2.EarlierNode:
    closure = node.message.closure
    earlier = _trace(
        node,
        has_outputs=True,
        input_uri=node.message.input_uri,
        output_uri=closure.output_uri,
        deck_uri=closure.deck_uri,
    )
    if closure.HasField("workflow_node_metadata"):
        earlier.child.CopyFrom(closure.workflow_node_metadata.executionId)
    return earlier


def _trace(node: SourceNode, **fields: Any) -> execution_pb2.EarlierNode:
    spec_node_id = node.message.metadata.spec_node_id
    return execution_pb2.EarlierNode(node_id=node.id, spec_node_id=spec_node_id, **fields)


def _below(level: Level, spec: graph_pb2.Node) -> str:
    return naming.node_id(naming.node_path(spec.id, level.parent_id, int(level.attempt)))
