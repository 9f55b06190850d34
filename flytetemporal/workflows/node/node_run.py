"""One node's execution: its names, its URIs, and its events."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.event import event_pb2

from flytetemporal.contracts.v1 import (
    continuation_pb2,
    edits_pb2,
    execution_pb2,
    graph_pb2,
    operations_pb2,
    pauses_pb2,
)
from flytetemporal.idl import locations, naming, times
from flytetemporal.workflows.node import run as runs
from flytetemporal.workflows.node.graph import Body
from flytetemporal.workflows.node.outcomes import Values, user_failure
from flytetemporal.workflows.node.run import Program, Scope
from flytetemporal.workflows.node.wait_registry import Cause
from flytetemporal.workflows.operators.clocks import Clock
from flytetemporal.workflows.operators.pauses import Path

Phase = core_execution_pb2.NodeExecution
EVENT_VERSION = 1


@dataclass(frozen=True, slots=True)
class NodeRun:
    """A node of a walk. ``event`` is the template of all its events: it is copied, never sent."""

    scope: Scope
    node: graph_pb2.Node
    id: str
    data_dir: str
    event: event_pb2.NodeExecutionEvent
    # The attempt of a node that is no task; a task node counts its attempts itself.
    attempt: int = 0
    # Its walk can suspend it while it sleeps.
    may_suspend: bool = False

    def at(self, attempt: int) -> "NodeRun":
        """Return the same node in a later attempt."""
        return dataclasses.replace(self, attempt=attempt)

    def suspendable(self) -> "NodeRun":
        """Return the same node, which can be suspended while it sleeps."""
        return dataclasses.replace(self, may_suspend=True)

    @property
    def execution_id(self) -> identifier_pb2.WorkflowExecutionIdentifier:
        """The Flyte execution."""
        return self.scope.run.execution_id

    @property
    def inputs_uri(self) -> str:
        """The URI of the node's inputs."""
        return locations.inputs_uri(self.data_dir)

    def output_dir(self, attempt: int | None = None) -> str:
        """Return the output directory of an attempt, by default the current one."""
        return locations.output_dir(self.data_dir, self.attempt if attempt is None else attempt)

    def generated_name(self, attempt: int) -> str:
        """Return the name of an attempt."""
        return naming.generated_name(self.execution_id.name, self.id, attempt, self.scope.run.hash_bits)

    def raw_output_dir(self, attempt: int) -> str:
        """Return the directory of an attempt's raw data."""
        prefix = self.scope.run.argument.settings.raw_output_prefix
        return locations.raw_output_dir(prefix, self.generated_name(attempt))

    def checkpoint_dir(self, attempt: int) -> str:
        """Return the directory of an attempt's checkpoints."""
        return locations.checkpoint_dir(self.raw_output_dir(attempt))

    def store(self, literals: literals_pb2.LiteralMap, uri: str) -> Values:
        """Queue a literal map to be written with the next report; return it with its URI."""
        self.scope.run.reports.write(uri, literals)
        return Values(literals, uri)

    def phase_event(self, phase: core_execution_pb2.NodeExecution.Phase) -> event_pb2.NodeExecutionEvent:
        """Return an event for a phase that starts now."""
        event = event_pb2.NodeExecutionEvent()
        event.CopyFrom(self.event)
        event.phase = phase
        event.occurred_at.CopyFrom(self.scope.run.event_clock.tick())
        return event

    def report(self, event: event_pb2.NodeExecutionEvent) -> None:
        """Report an event of the node."""
        self.scope.run.reports.node(event)

    def waiting(self, cause: Cause) -> contextlib.AbstractContextManager[None]:
        """Register what the node waits for while the block runs."""
        return self.scope.run.waits.waiting(self.id, self.node.name, cause)

    @contextlib.asynccontextmanager
    async def idle(self, cause: Cause, *, timer: bool = False) -> AsyncIterator[None]:
        """Register what the node waits for, and that the next run can wait for it as well.

        ``timer``: the node waits for time to pass.
        """
        with self.waiting(cause):
            async with self.scope.run.continuation.idle(self.id, timer=timer):
                yield

    @property
    def path(self) -> Path:
        """The ids of the nodes above, outermost first, and its own."""
        return (*self.scope.ancestors, self.id)

    @property
    def pause(self) -> pauses_pb2.Pause | None:
        """A pause that keeps the node from starting anything; None if there is none."""
        pauses = self.scope.run.pauses
        return None if pauses.is_empty else pauses.blocking(self.path)

    @property
    def clock(self) -> Clock:
        """The clock of the node's deadline; it stands still while the node is paused."""
        progress = self.progress
        return Clock(self.scope.run.pauses, self.path, progress.began_at, progress.clock)

    async def wait_for_resume(self) -> None:
        """Return when no pause keeps the node from starting anything; the next run can wait in its place."""
        while self.pause is not None:
            async with self.idle(self._tell_pause):
                await self.scope.run.pauses.resumed(self.path)
            # Thousands of nodes can be resumed at once.
            await self.scope.run.workflow_task_budget.take_step()

    def _tell_pause(self, wait: operations_pb2.Wait) -> None:
        wait.pause.CopyFrom(self.pause or pauses_pb2.Pause())

    @property
    def progress(self) -> continuation_pb2.OpenNode:
        """What the next run needs to continue the node; the node keeps it up to date."""
        return self.scope.run.state.progress(self.id)

    @property
    def changes(self) -> edits_pb2.NodeChanges:
        """What operators have changed of the node, or of the array of which it is an element."""
        return self.scope.run.edits.changes(self.event.id.node_id)

    @property
    def timeout(self) -> timedelta:
        """How long an attempt may take; zero: no limit."""
        return times.limit(self.changes.timeout if self.changes.HasField("timeout") else self.node.timeout)

    @property
    def earlier(self) -> execution_pb2.EarlierNode:
        """The node of the same id in the execution that this one recovers; an empty one if nothing of it is known."""
        return self.scope.run.recovery.known(self.scope.parent_id, self.id)

    @property
    def is_resumed(self) -> bool:
        """Whether the node was open in the previous run."""
        return self.scope.run.state.is_resumed(self.id)

    def child_scope(self, body: Body, attempt: int | None = None, program: Program | None = None) -> Scope:
        """Return the scope of nodes that run below this one.

        ``attempt`` is by default the current one, ``program`` the one that this node is part of.
        """
        number = self.attempt if attempt is None else attempt
        program = program or self.scope.program
        return Scope(
            self.scope.run,
            program,
            body,
            self.output_dir(number),
            self.id,
            number,
            self.scope.depth,
            may_hold=self.scope.may_hold,
            ancestors=self.path,
        )

    def nested_scope(self, body: Body, attempt: int | None = None, program: Program | None = None) -> Scope:
        """Return the scope of a whole workflow that runs below this node.

        Raises:
            NodeFailure: too many workflows are above it. A dynamic workflow can generate itself without end.
        """
        depth, limit = self.scope.depth + 1, self.scope.run.argument.max_depth
        if limit and depth > limit:
            raise user_failure(
                "WorkflowTooDeep",
                f"node [{self.id}] holds a workflow {depth} levels below the execution's own; the limit is {limit} "
                "(FLYTETEMPORAL_ADMIN__MAX_WORKFLOW_DEPTH)",
            )
        return dataclasses.replace(self.child_scope(body, attempt, program), depth=depth)


def node_run(scope: Scope, node: graph_pb2.Node, *, may_suspend: bool = False) -> NodeRun:
    """Return the execution of ``node`` in ``scope``."""
    node_id, data_dir = scope.take_node_id(node.id), scope.data_dir(node.id)
    return NodeRun(scope, node, node_id, data_dir, _event(scope, node, node_id, data_dir), may_suspend=may_suspend)


def _event(scope: Scope, node: graph_pb2.Node, node_id: str, data_dir: str) -> event_pb2.NodeExecutionEvent:
    event = event_pb2.NodeExecutionEvent(
        id=identifier_pb2.NodeExecutionIdentifier(node_id=node_id, execution_id=scope.run.execution_id),
        producer_id=runs.PRODUCER,
        spec_node_id=node.id,
        node_name=node.name,
        event_version=EVENT_VERSION,
        is_in_dynamic_chain=scope.program.is_dynamic,
    )
    kind = node.WhichOneof("target")
    if kind != "start":
        event.input_uri = locations.inputs_uri(data_dir)
    if scope.parent_id:
        event.parent_node_metadata.node_id = scope.parent_id
        event.retry_group = str(scope.parent_attempt)
    if kind == "task":
        event.target_entity.CopyFrom(scope.program.graph.tasks[node.task.task].id)
    if node.array.HasField("job"):  # Clients see a single task.
        event.target_entity.CopyFrom(scope.program.graph.tasks[node.array.node.task.task].id)
    if kind == "launch_plan":
        event.target_entity.CopyFrom(node.launch_plan)
    if kind == "subworkflow":
        event.is_parent = True
    if kind == "array" and not node.array.HasField("job"):
        event.is_array = True
    return event
