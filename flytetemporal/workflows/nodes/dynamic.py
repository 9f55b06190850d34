"""Dynamic nodes: an attempt of a task generates a workflow, which is walked below the node."""

from collections.abc import Callable
from datetime import timedelta

from flyteidl.core import literals_pb2
from flyteidl.event import event_pb2

from flytetemporal.contracts import activities
from flytetemporal.contracts.v1 import execution_pb2, operations_pb2
from flytetemporal.idl import locations
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.node import graph
from flytetemporal.workflows.node.node_run import NodeRun, Phase
from flytetemporal.workflows.node.outcomes import UNKNOWN, NodeFailure, NodeTimedOut, Values, execution_error
from flytetemporal.workflows.node.run import Program, Scope
from flytetemporal.workflows.nodes import cached_dynamic
from flytetemporal.workflows.walk import Walk

COMPILE_TIMEOUT = timedelta(minutes=2)


class ChildTimedOut(NodeFailure):
    """A node below timed out. Unlike after other failures below a dynamic node, another attempt may follow."""

    def __init__(self) -> None:
        super().__init__(execution_error("DynamicNodeFailing", "Dynamic workflow failed", UNKNOWN))


async def run(walk: Walk, node: NodeRun, attempt: int, of_task: Callable[[], execution_pb2.TaskAttempt]) -> Values:
    """Compile the workflow that the attempt generated, walk it, and return its outputs as the node's.

    ``of_task`` returns the attempt as its activity had it. It is called only if the outputs are cached.

    Raises:
        ChildTimedOut: a node of it timed out.
        NodeFailure: it cannot be compiled, or a node of it failed.
    """
    with node.waiting(lambda wait: wait.engine.CopyFrom(operations_pb2.EngineWait(work="compiling"))):
        program = await _program(node, attempt)
    scope = node.nested_scope(program.graph.bodies[0], attempt, program)
    # The nodes below need slots: if the parents kept theirs, nested dynamic nodes could wait for each other for ever.
    node.scope.run.parallelism.give_back(node.id)
    node.event.is_dynamic = node.event.is_parent = True
    if not node.progress.HasField("cache"):
        return _succeed(node, attempt, await _walked(walk, node, scope), event_pb2.TaskNodeMetadata())
    cached = of_task()
    async with cached_dynamic.reserved(node, cached):
        outputs = await _walked(walk, node, scope)
        stored = await cached_dynamic.store(node, cached, outputs)
    return _succeed(node, attempt, outputs, stored)


async def _walked(walk: Walk, node: NodeRun, scope: Scope) -> Values:
    nested = Walk(scope, walk.run_kind, walk.abort)
    async with node.idle(lambda wait: wait.nested.node_ids.extend(nested.running())):
        try:
            return await nested.run(Values(literals_pb2.LiteralMap(), ""))
        except NodeTimedOut as e:
            raise ChildTimedOut from e


def _succeed(node: NodeRun, attempt: int, outputs: Values, cache: event_pb2.TaskNodeMetadata) -> Values:
    uri = outputs.uri
    if outputs.literals is not None:
        uri = locations.outputs_uri(node.output_dir(attempt))
        node.store(outputs.literals, uri)
    event = node.phase_event(Phase.SUCCEEDED)
    event.output_uri = uri
    event.deck_uri = node.progress.deck_uri
    event.task_node_metadata.CopyFrom(cache)
    node.report(event)
    return Values(outputs.literals, uri)


async def _program(node: NodeRun, attempt: int) -> Program:
    if node.progress.dynamic.WhichOneof("graph") is None:
        node.progress.dynamic.CopyFrom(await _compiled(node, attempt))
    compiled = node.progress.dynamic
    if compiled.HasField("error"):
        raise NodeFailure(compiled.error)
    gzipped = compiled.inline_graph
    if compiled.HasField("stored_graph"):
        loaded = await engine_activities.execute(
            activities.load_graph, compiled.stored_graph, summary=f"graph of {node.id}"
        )
        gzipped = loaded.gzipped
    return Program(graph.parse(gzipped), compiled.tasks, is_dynamic=True)


async def _compiled(node: NodeRun, attempt: int) -> execution_pb2.DynamicGraph:
    return await engine_activities.execute(
        activities.compile_dynamic,
        execution_pb2.DynamicRequest(
            node_event=node.event,
            tasks=node.scope.program.tasks,
            task=node.node.task.task,
            output_dir=node.output_dir(attempt),
            generated_name=node.generated_name(attempt),
            futures_dir=_futures_dir(node, attempt),
        ),
        limit=COMPILE_TIMEOUT,
        summary=f"{node.id} is dynamic",
    )


def take_up(node: NodeRun) -> None:
    """In a recovery: continue the workflow that an earlier attempt generated, instead of running that attempt again."""
    progress = node.progress
    attempt = node.scope.run.recovery.dynamic_attempt(node.scope.parent_id, node.id)
    if attempt is None or node.is_resumed or progress.attempt or progress.HasField("dynamic"):
        return
    progress.attempt = attempt
    progress.dynamic.SetInParent()
    cached_dynamic.recover(node)
    node.report(node.phase_event(Phase.RUNNING))


def _futures_dir(node: NodeRun, attempt: int) -> str:
    if node.scope.run.recovery.dynamic_attempt(node.scope.parent_id, node.id) != attempt:
        return ""
    return locations.parent(node.earlier.futures_uri)
