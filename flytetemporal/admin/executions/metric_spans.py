"""Build the tree of spans of an execution, which shows where its time went, from stored times alone. Pure.

The shape mirrors flyteadmin's pkg/manager/impl/metrics_manager.go. Unlike there, subworkflows and failure nodes are
looked up in the compiled closure itself, so that no recorded execution lacks a tree.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from flyteidl.admin import execution_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import compiler_pb2, identifier_pb2, workflow_pb2
from flyteidl.core.metrics_pb2 import Span
from google.protobuf import timestamp_pb2

from flytetemporal.idl import identifiers, times

_START, _END = "start-node", "end-node"

NodeExecution: TypeAlias = node_execution_pb2.NodeExecution
Stamp: TypeAlias = timestamp_pb2.Timestamp


@dataclass(slots=True)
class Recorded:
    """The stored records of an execution that spans are built from."""

    id: identifier_pb2.WorkflowExecutionIdentifier
    closure: execution_pb2.ExecutionClosure = field(default_factory=execution_pb2.ExecutionClosure)
    definition: compiler_pb2.CompiledWorkflowClosure = field(default_factory=compiler_pb2.CompiledWorkflowClosure)
    # Node executions by the node id of their parent; "" is the top level.
    levels: dict[str, list[NodeExecution]] = field(default_factory=dict)
    # By node id: attempts in order, the closure of a dynamic node, the execution of a launch plan node.
    tasks: dict[str, list[task_execution_pb2.TaskExecution]] = field(default_factory=dict)
    dynamic: dict[str, compiler_pb2.CompiledWorkflowClosure] = field(default_factory=dict)
    children: dict[str, "Recorded"] = field(default_factory=dict)


def of_execution(recorded: Recorded, depth: int) -> Span:
    """Return the span of an execution, with ``depth`` levels of spans inside it; all levels if negative."""
    closure = recorded.closure
    span = Span(start_time=closure.created_at, end_time=closure.updated_at, workflow_id=recorded.id)
    if depth == 0:
        return span
    top = _Level(recorded, "", recorded.definition, recorded.definition.primary)
    if top.start is None:
        span.spans.append(_operation("WORKFLOW_SETUP", closure.created_at, closure.updated_at))
        return span
    span.spans.append(_operation("WORKFLOW_SETUP", closure.created_at, top.start.closure.updated_at))
    span.spans.extend(top.spans(depth - 1))
    last = top.last_before(_END)
    if last is not None:
        span.spans.extend(_after("WORKFLOW_TEARDOWN", last.closure.updated_at, closure.updated_at))
    return span


class _Level:
    """The nodes of one workflow: the top one, a subworkflow, or the workflow of a dynamic node."""

    def __init__(
        self,
        recorded: Recorded,
        parent_id: str,
        closure: compiler_pb2.CompiledWorkflowClosure,
        workflow: compiler_pb2.CompiledWorkflow,
    ) -> None:
        self._recorded = recorded
        self._closure = closure
        self._workflow = workflow
        self._nodes = sorted(recorded.levels.get(parent_id, ()), key=_created)
        self._by_spec = {node.metadata.spec_node_id: node for node in self._nodes}
        template = workflow.template
        self._definitions = {node.id: node for node in (*template.nodes, template.failure_node)}

    @property
    def start(self) -> NodeExecution | None:
        """The start node; None until it is reported."""
        return self._by_spec.get(_START)

    def last_before(self, spec_id: str) -> NodeExecution | None:
        """Return the upstream node of ``spec_id`` that ended last."""
        upstream = self._workflow.connections.upstream
        ids = upstream[spec_id].ids if spec_id in upstream else ()
        found = [self._by_spec[id_] for id_ in ids if id_ in self._by_spec]
        return max(found, key=lambda node: _instant(node.closure.updated_at), default=None)

    def spans(self, depth: int) -> Iterator[Span]:
        """Yield the spans of the nodes, oldest first."""
        for node in self._nodes:
            spec_id = node.metadata.spec_node_id
            if spec_id in (_START, _END):
                continue
            span = self._node_span(node, self._definitions.get(spec_id), depth)
            last = self.last_before(spec_id)
            if last is not None:
                transition = _after("NODE_TRANSITION", last.closure.updated_at, node.closure.created_at)
                children = [*transition, *span.spans]
                span.ClearField("spans")
                span.spans.extend(children)
            yield span

    def _node_span(self, node: NodeExecution, definition: workflow_pb2.Node | None, depth: int) -> Span:
        closure = node.closure
        span = Span(start_time=closure.created_at, end_time=closure.updated_at, node_id=node.id)
        if depth != 0 and definition is not None:
            span.spans.extend(self._inner(node, definition, depth))
        return span

    def _inner(self, node: NodeExecution, definition: workflow_pb2.Node, depth: int) -> Iterable[Span]:
        match definition.WhichOneof("target"):
            case "task_node":
                return self._task(node, depth)
            case "workflow_node" if definition.workflow_node.HasField("launchplan_ref"):
                return self._launch_plan(node, depth)
            case "workflow_node":
                return self._subworkflow(node, definition.workflow_node, depth)
            case "branch_node":
                return self._branch(node, definition.branch_node, depth)
            case "gate_node":
                return _gate(node)
            case _:
                return ()

    def _task(self, node: NodeExecution, depth: int) -> Iterator[Span]:
        attempts = self._recorded.tasks.get(node.id.node_id, [])
        if not attempts:
            yield _operation("NODE_SETUP", node.closure.created_at, node.closure.updated_at)
            return
        yield _operation("NODE_SETUP", node.closure.created_at, attempts[0].closure.created_at)
        ended: Stamp | None = None
        for attempt in attempts:
            if ended is not None:
                yield _operation("NODE_RESET", ended, attempt.closure.created_at)
            yield _task_span(attempt, depth - 1)
            ended = attempt.closure.updated_at
        if node.metadata.is_parent_node:
            yield from self._dynamic(node, attempts[-1].closure.updated_at, depth)
        elif ended is not None:
            yield from _after("NODE_TEARDOWN", ended, node.closure.updated_at)

    def _dynamic(self, node: NodeExecution, task_ended: Stamp, depth: int) -> Iterator[Span]:
        closure = self._recorded.dynamic.get(node.id.node_id, compiler_pb2.CompiledWorkflowClosure())
        inner = _Level(self._recorded, node.id.node_id, closure, closure.primary)
        if inner.start is None:
            yield from _after("NODE_RESET", task_ended, node.closure.updated_at)
            return
        yield _operation("NODE_RESET", task_ended, inner.start.closure.updated_at)
        yield from inner.spans(depth - 1)
        yield from inner.teardown(node)

    def _subworkflow(self, node: NodeExecution, definition: workflow_pb2.WorkflowNode, depth: int) -> Iterator[Span]:
        key = identifiers.entity_key(definition.sub_workflow_ref)
        known = (w for w in self._closure.sub_workflows if identifiers.entity_key(w.template.id) == key)
        workflow = next(known, compiler_pb2.CompiledWorkflow())
        inner = _Level(self._recorded, node.id.node_id, self._closure, workflow)
        if inner.start is None:
            yield _operation("NODE_SETUP", node.closure.created_at, node.closure.updated_at)
            return
        yield _operation("NODE_SETUP", node.closure.created_at, inner.start.closure.updated_at)
        yield from inner.spans(depth - 1)
        yield from inner.teardown(node)

    def teardown(self, parent: NodeExecution) -> Iterator[Span]:
        """Yield the time that the parent took to end after its last node."""
        last = self.last_before(_END)
        if last is not None:
            yield from _after("NODE_TEARDOWN", last.closure.updated_at, parent.closure.updated_at)

    def _launch_plan(self, node: NodeExecution, depth: int) -> Iterator[Span]:
        child = self._recorded.children.get(node.id.node_id)
        if child is None:
            yield _operation("NODE_SETUP", node.closure.created_at, node.closure.updated_at)
            return
        yield _operation("NODE_SETUP", node.closure.created_at, child.closure.created_at)
        yield of_execution(child, depth - 1)
        yield from _after("NODE_TEARDOWN", child.closure.updated_at, node.closure.updated_at)

    def _branch(self, node: NodeExecution, definition: workflow_pb2.BranchNode, depth: int) -> Iterator[Span]:
        taken = self._recorded.levels.get(node.id.node_id, ())
        if not taken:
            yield _operation("NODE_SETUP", node.closure.created_at, node.closure.updated_at)
            return
        child = min(taken, key=_created)
        cases = definition.if_else
        choices = [cases.case.then_node, *(case.then_node for case in cases.other), cases.else_node]
        chosen = next((choice for choice in choices if choice.id == child.metadata.spec_node_id), None)
        yield _operation("NODE_SETUP", node.closure.created_at, child.closure.created_at)
        yield self._node_span(child, chosen, depth - 1)
        yield from _after("NODE_TEARDOWN", child.closure.updated_at, node.closure.updated_at)


def _gate(node: NodeExecution) -> Sequence[Span]:
    closure = node.closure
    if not closure.HasField("started_at"):
        return [_operation("NODE_SETUP", closure.created_at, closure.updated_at)]
    setup = _operation("NODE_SETUP", closure.created_at, closure.started_at)
    if not closure.HasField("duration"):
        return [setup, _operation("NODE_IDLE", closure.started_at, closure.updated_at)]
    opened = times.moment(closure.started_at) + closure.duration.ToTimedelta()
    idle = _operation("NODE_IDLE", closure.started_at, times.timestamp(opened))
    return [setup, idle, *_after("NODE_TEARDOWN", idle.end_time, closure.updated_at)]


def _task_span(task: task_execution_pb2.TaskExecution, depth: int) -> Span:
    closure = task.closure
    span = Span(start_time=closure.created_at, end_time=closure.updated_at, task_id=task.id)
    if depth == 0:
        return span
    if not closure.HasField("started_at"):
        span.spans.append(_operation("TASK_SETUP", closure.created_at, closure.updated_at))
        return span
    span.spans.append(_operation("TASK_SETUP", closure.created_at, closure.started_at))
    if not closure.HasField("duration"):
        span.spans.append(_operation("TASK_RUNTIME", closure.started_at, closure.updated_at))
        return span
    ended = times.timestamp(times.moment(closure.started_at) + closure.duration.ToTimedelta())
    span.spans.append(_operation("TASK_RUNTIME", closure.started_at, ended))
    span.spans.extend(_after("TASK_TEARDOWN", ended, closure.updated_at))
    return span


def _operation(name: str, start: Stamp, end: Stamp) -> Span:
    return Span(operation_id=name, start_time=start, end_time=end)


def _after(name: str, start: Stamp, end: Stamp) -> list[Span]:
    """Return an operation; none if it would end before it starts."""
    return [_operation(name, start, end)] if times.moment(start) <= times.moment(end) else []


def _created(node: NodeExecution) -> tuple[int, int]:
    return _instant(node.closure.created_at)


def _instant(stamp: Stamp) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos
