"""Resolve a node's inputs: in the workflow while the values are small and inline, otherwise by an activity."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from flyteidl.core import condition_pb2, literals_pb2
from temporalio import workflow

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import continuation_pb2, execution_pb2, operations_pb2
from flytetemporal.errors import ResolutionFailed, ValueOffloaded
from flytetemporal.idl import literals
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.node.node_run import NodeRun
from flytetemporal.workflows.node.outcomes import BINDING_FAILURE, NodeFailure, Values, system_failure
from flytetemporal.workflows.versions import Patch

# Resolved maps up to this size are passed inline to the activity, so that a few of them fit into Temporal's payload
# limit of 2 MB. Larger ones are resolved by an activity.
RESOLVED_BYTES = 256 * 1024
# Outputs up to this size are passed inline to the next run; of larger ones it gets the URI.
INLINE_OUTPUT_BYTES = 2 * 1024
TIMEOUT = timedelta(seconds=120)


class Outputs:
    """The outputs of the ended nodes of one level, by spec node id."""

    def __init__(self) -> None:
        self._values: dict[str, Values] = {}
        self._aliases: dict[str, dict[str, str]] = {}

    def add(self, node_id: str, values: Values, aliases: Mapping[str, str]) -> None:
        """Add a node's outputs; ``aliases`` maps alias to variable."""
        self._values[node_id] = values
        if aliases:
            self._aliases[node_id] = dict(aliases)

    def ended(self) -> Iterator[continuation_pb2.EndedNodeOutputs]:
        """Yield all outputs as messages for the next run; large ones by their URI."""
        for node_id, values in self._values.items():
            outputs = continuation_pb2.EndedNodeOutputs(
                node_id=node_id, uri=values.uri, aliases=self._aliases.get(node_id, {})
            )
            if values.literals is not None and (not values.uri or values.literals.ByteSize() <= INLINE_OUTPUT_BYTES):
                outputs.literals.CopyFrom(values.literals)
            yield outputs

    def restore(self, ended: Iterable[continuation_pb2.EndedNodeOutputs]) -> None:
        """Add the outputs that the previous run yielded from ``ended``."""
        for node in ended:
            values = Values(node.literals if node.HasField("literals") else None, node.uri)
            self.add(node.node_id, values, node.aliases)

    def only(self, node_id: str) -> "Outputs":
        """Return the outputs of one node only, for a failure node, which may bind to no other."""
        limited = Outputs()
        if node_id in self._values:
            limited.add(node_id, self._values[node_id], self._aliases.get(node_id, {}))
        return limited

    def resolve(self, bindings: Sequence[literals_pb2.Binding]) -> execution_pb2.NodeInputs:
        """Resolve bindings or, if the values are large or stored, return what an activity needs to resolve them.

        Raises:
            ResolutionFailed: a binding names a node, variable or attribute that does not exist.
        """
        with _failures_of_values():
            resolved = self._resolved(bindings)
            too_deep = "" if resolved is None else literals.nested_too_deep(bindings, resolved)
        if too_deep and workflow.patched(Patch.BOUNDED_DEPTH):
            raise literals.depth_failure(too_deep)
        if resolved is None or resolved.ByteSize() > RESOLVED_BYTES:
            return execution_pb2.NodeInputs(deferred=self.deferred(bindings))
        return execution_pb2.NodeInputs(literals=resolved)

    def _resolved(self, bindings: Sequence[literals_pb2.Binding]) -> literals_pb2.LiteralMap | None:
        """Return the values of bindings, or None if a value must be read first."""
        if any(values.literals is None for values in self._sources(bindings).values()):
            return None
        try:
            return literals.resolve(bindings, self._literals, self._aliases)
        except ValueOffloaded:
            return None

    def deferred(self, bindings: Sequence[literals_pb2.Binding]) -> execution_pb2.DeferredInputs:
        """Return what an activity needs to resolve bindings.

        Raises:
            ResolutionFailed: a binding names a node, variable or attribute that does not exist.
        """
        with _failures_of_values():
            sources = self._sources(bindings)
        inline = sum(v.literals.ByteSize() for v in sources.values() if v.literals is not None) <= RESOLVED_BYTES
        deferred = execution_pb2.DeferredInputs(bindings=bindings)
        for node_id, values in sources.items():
            deferred.sources[node_id].CopyFrom(values.message(inline=inline))
            for alias, variable in self._aliases.get(node_id, {}).items():
                deferred.aliases[node_id].variables[alias] = variable
        return deferred

    def _sources(self, bindings: Sequence[literals_pb2.Binding]) -> dict[str, Values]:
        sources: dict[str, Values] = {}
        for binding in bindings:
            for promise in literals.promises(binding.binding):
                if promise.node_id not in self._values:
                    raise ResolutionFailed(f"node [{promise.node_id}] has no outputs to bind [{binding.var}] to")
                sources[promise.node_id] = self._values[promise.node_id]
        return sources

    def _literals(self, node_id: str) -> literals_pb2.LiteralMap:
        found = self._values[node_id].literals
        return found if found is not None else literals_pb2.LiteralMap()


@contextlib.contextmanager
def _failures_of_values() -> Iterator[None]:
    """Raise any error of the block as ``ResolutionFailed``, so that values fail their node and not the workflow task.

    For pure code only: no error of Temporal may pass here.
    """
    try:
        yield
    except (ResolutionFailed, MemoryError):
        raise
    except Exception as e:
        raise ResolutionFailed(f"the values cannot be resolved: {type(e).__name__}: {e}") from e


def binding_failure(error: Exception) -> NodeFailure:
    """Return the failure of a node whose inputs cannot be resolved."""
    return system_failure(BINDING_FAILURE, str(error))


async def materialise(node: NodeRun, inputs: execution_pb2.NodeInputs) -> Values:
    """Write the inputs of a node that runs without an activity of its own; return them with their URI."""
    if inputs.WhichOneof("value") != "deferred":
        return node.store(inputs.literals, node.inputs_uri)
    located = await resolve_stored(node, inputs.deferred, [node.inputs_uri])
    return Values(located.literals if located.HasField("literals") else None, node.inputs_uri)


async def resolve_stored(
    node: NodeRun, deferred: execution_pb2.DeferredInputs, write_to: Sequence[str], *, inlined: bool = False
) -> execution_pb2.NodeOutputs:
    """Resolve ``deferred`` in an activity, which writes the map to every URI of ``write_to``.

    ``inlined``: return the values themselves instead of references to them.
    """
    # The pump writes the files of nodes that ran without an activity, and the activity may read them: flush first.
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="inputs"))):
        await node.scope.run.reports.flush()
        request = execution_pb2.ResolveRequest(inputs=deferred, write_to=write_to, inlined=inlined)
        await node.scope.run.payload_budget.reserve(request.ByteSize())
        return await engine_activities.execute(
            activities.resolve_inputs,
            request,
            limit=TIMEOUT,
            summary=f"inputs of {node.id}",
        )


async def choose(
    node: NodeRun, deferred: execution_pb2.DeferredInputs, conditions: Sequence[condition_pb2.BooleanExpression]
) -> execution_pb2.CaseChoice:
    """Return which of the conditions holds, evaluated by an activity because the values are stored."""
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="inputs"))):
        await node.scope.run.reports.flush()
        return await engine_activities.execute(
            activities.choose_case,
            execution_pb2.CaseRequest(inputs=deferred, conditions=conditions),
            limit=TIMEOUT,
            summary=f"case of {node.id}",
        )
