"""Whether a node of one version of a workflow may reuse the outputs that another version has computed.

It must be the same task, workflow or launch plan in another version, take its inputs from the same places, and have an
interface that the recorded values fit. What its code does is not compared: the caller says which nodes run again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flyteidl.core import identifier_pb2, interface_pb2, literals_pb2
from google.protobuf.message import Message

from flytetemporal.contracts.v1 import graph_pb2
from flytetemporal.idl import identifiers, types

Interfaces = Mapping[tuple[int, identifiers.EntityKey], interface_pb2.TypedInterface]
_NONE = interface_pb2.TypedInterface()
_KINDS = {"launch_plan": "launch plan node", "array": "map task"}


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a workflow: its graph, and the interfaces of what its nodes run, by kind and key."""

    version: str
    graph: graph_pb2.Graph
    interfaces: Interfaces

    def interface(self, identifier: identifier_pb2.Identifier) -> interface_pb2.TypedInterface:
        """Return the interface of a task, workflow or launch plan."""
        return self.interfaces.get((identifier.resource_type, identifiers.entity_key(identifier)), _NONE)

    def target(self, node: graph_pb2.Node) -> identifier_pb2.Identifier | None:
        """Return what a node runs, if it runs a task, a workflow or a launch plan."""
        match node.WhichOneof("target"):
            case "task":
                return self.graph.tasks[node.task.task].id
            case "subworkflow":
                return self.graph.workflows[node.subworkflow.workflow].id
            case "launch_plan":
                return node.launch_plan
            case _:
                return None


def problem(new: Definition, node: graph_pb2.Node, old: Definition, earlier: graph_pb2.Node | None) -> str:
    """Return why a node cannot reuse what the ``earlier`` node computed; empty if it can."""
    if earlier is None:
        return f"it does not exist in version {old.version}"
    return next(_problems(new, node, old, earlier), "")


def _problems(new: Definition, node: graph_pb2.Node, old: Definition, earlier: graph_pb2.Node) -> Iterator[str]:
    kind, before = _kind(node), _kind(earlier)
    if kind != before:
        yield f"it is a {kind} and was a {before} in version {old.version}"
        return
    target, was = new.target(node), old.target(earlier)
    if target is not None and was is not None:
        if (target.project, target.domain, target.name) != (was.project, was.domain, was.name):
            yield f"it runs {target.name} and ran {was.name} in version {old.version}"
        yield from _interface_problems(new.interface(target), old.interface(was), old.version)
    if _bindings(node.inputs) != _bindings(earlier.inputs):
        yield f"its inputs are bound to other values than in version {old.version}"
    yield from _parts(new, node, old, earlier)


def _parts(new: Definition, node: graph_pb2.Node, old: Definition, earlier: graph_pb2.Node) -> Iterator[str]:
    """Yield the problems of what a branch, an array or a gate consists of."""
    if node.HasField("array"):
        yield from _problems(new, node.array.node, old, earlier.array.node)
    if node.HasField("gate") and _bytes(node.gate) != _bytes(earlier.gate):
        yield f"its signal or duration is another one than in version {old.version}"
    if not node.HasField("branch"):
        return
    cases, before = node.branch.cases, earlier.branch.cases
    if [_bytes(case.condition) for case in cases] != [_bytes(case.condition) for case in before]:
        yield f"its conditions are other ones than in version {old.version}"
        return
    for child, was in zip(branch_nodes(node), branch_nodes(earlier), strict=False):
        yield from _problems(new, child, old, was)


def branch_nodes(node: graph_pb2.Node) -> Sequence[graph_pb2.Node]:
    """Return the nodes of which a branch runs one."""
    branch = node.branch
    return [*(case.node for case in branch.cases), *([branch.else_node] if branch.HasField("else_node") else [])]


def _interface_problems(
    new: interface_pb2.TypedInterface, old: interface_pb2.TypedInterface, version: str
) -> Iterator[str]:
    for role, ours, theirs in (("input", new.inputs, old.inputs), ("output", new.outputs, old.outputs)):
        names = sorted(ours.variables.keys() | theirs.variables.keys())
        for name in names:
            if name not in theirs.variables:
                yield f"its {role} {name} does not exist in version {version}"
            elif name not in ours.variables and role == "input":
                yield f"its {role} {name} exists only in version {version}"
            elif name in ours.variables and not types.castable(theirs.variables[name].type, ours.variables[name].type):
                yield (
                    f"its {role} {name} has type {types.text(ours.variables[name].type)} "
                    f"and {types.text(theirs.variables[name].type)} in version {version}"
                )


def _kind(node: graph_pb2.Node) -> str:
    kind = node.WhichOneof("target") or "node"
    return _KINDS.get(kind, kind)


def _bindings(bindings: Sequence[literals_pb2.Binding]) -> list[bytes]:
    return sorted(_bytes(binding) for binding in bindings)


def _bytes(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)
