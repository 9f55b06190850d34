"""What the nodes of one execution share, and the scope of one level of it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from flyteidl.core import identifier_pb2
from google.protobuf import timestamp_pb2
from temporalio import workflow

from flytetemporal.contracts.v1 import execution_pb2, graph_pb2
from flytetemporal.idl import locations, naming, times
from flytetemporal.workflows.continuation import Continuation
from flytetemporal.workflows.node.cache_lookups import CacheLookups
from flytetemporal.workflows.node.child_outcomes import ChildOutcomes
from flytetemporal.workflows.node.graph import Body, ParsedGraph
from flytetemporal.workflows.node.recovery import Recovery
from flytetemporal.workflows.node.resources import NodeResources
from flytetemporal.workflows.node.signals import SignalCounts
from flytetemporal.workflows.node.wait_registry import WaitRegistry
from flytetemporal.workflows.node_ids import NodeIds
from flytetemporal.workflows.operators.edits import Edits
from flytetemporal.workflows.operators.pauses import Path, Pauses
from flytetemporal.workflows.reports.event_clock import EventClock
from flytetemporal.workflows.reports.event_pump import Reports
from flytetemporal.workflows.run_state import RunState
from flytetemporal.workflows.throttling.payload_budget import PayloadBudget
from flytetemporal.workflows.throttling.shared_timers import SharedTimers
from flytetemporal.workflows.throttling.slots import Slots
from flytetemporal.workflows.throttling.workflow_task_budget import WorkflowTaskBudget

PRODUCER = "propeller"
# Open activities of one run. Temporal refuses a workflow task that opens more than 2,000.
ACTIVITY_WINDOW = 500


@dataclass(slots=True)
class Run:
    """One execution."""

    argument: execution_pb2.ExecutionInput
    signals: SignalCounts
    children: ChildOutcomes
    waits: WaitRegistry
    edits: Edits
    pauses: Pauses
    node_ids: NodeIds = field(init=False)
    workflow_task_budget: WorkflowTaskBudget = field(default_factory=WorkflowTaskBudget)
    event_clock: EventClock = field(default_factory=EventClock)
    payload_budget: PayloadBudget = field(default_factory=PayloadBudget)
    shared_timers: SharedTimers = field(default_factory=SharedTimers)
    cache_lookups: CacheLookups = field(init=False)
    # Set once it has been read.
    graph: ParsedGraph = field(init=False)
    reports: Reports = field(init=False)
    state: RunState = field(init=False)
    continuation: Continuation = field(init=False)
    recovery: Recovery = field(init=False)
    resources: NodeResources = field(init=False)
    activity_window: Slots = field(init=False)
    # Slots of the task, array and launch plan nodes of all levels.
    parallelism: Slots = field(init=False)

    def __post_init__(self) -> None:
        self.edits.begin(self.argument)
        self.pauses.begin(self.argument.execution_id, self.argument.pauses)
        self.cache_lookups = CacheLookups(self.workflow_task_budget, self.payload_budget)
        self.reports = Reports(self.workflow_task_budget, self.event_clock)
        self.node_ids = NodeIds(distinct=self.argument.distinct_names)
        self.state = RunState(self.argument, self.node_ids)
        self.continuation = Continuation(self.state, self.reports, self.argument.history_events)
        self.recovery = Recovery(self.argument)
        self.resources = NodeResources(self.argument, self.edits)
        self.activity_window = Slots("activity_window", ACTIVITY_WINDOW)
        self.parallelism = Slots("max_parallelism", self.edits.max_parallelism(self.argument.settings.max_parallelism))

    @contextlib.asynccontextmanager
    async def attempt(self, node_id: str, path: Path) -> AsyncIterator[None]:
        """Hold a slot for the activity of an attempt while the block runs.

        None is granted while the run drains or the node is paused.
        """
        async with contextlib.AsyncExitStack() as stack:
            async with self.continuation.idle(node_id):
                await stack.enter_async_context(self.activity_window.held(node_id))
                # The run may have started to drain, or been paused, while the node waited. The slot is given back in
                # the meantime: elements of arrays, which do not wait for the drain, need slots too.
                while self.continuation.is_draining or self.pauses.blocking(path) is not None:
                    await stack.aclose()
                    await self.continuation.wait_for_admission()
                    await self.pauses.resumed(path)
                    await stack.enter_async_context(self.activity_window.held(node_id))
            yield

    @property
    def execution_id(self) -> identifier_pb2.WorkflowExecutionIdentifier:
        """The Flyte execution."""
        return self.argument.execution_id

    @property
    def hash_bits(self) -> int:
        """Bits of the hashes that replace names of attempts and elements that are too long."""
        return naming.UNIQUE_HASH_BITS if self.argument.distinct_names else naming.FLYTE_HASH_BITS

    def is_interruptible(self, node: graph_pb2.Node) -> bool:
        """Whether the node is interruptible; Flyte's precedence is node, execution, workflow."""
        if node.HasField("interruptible"):
            return node.interruptible.value
        if self.argument.settings.HasField("interruptible"):
            return self.argument.settings.interruptible.value
        return self.graph.bodies[0].message.interruptible


@dataclass(frozen=True, slots=True)
class Program:
    """A graph that is walked: that of the execution, or one that a dynamic node of it generated."""

    graph: ParsedGraph
    tasks: execution_pb2.ContentReference
    # Whether a node above is dynamic.
    is_dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """One level of nesting: the parent node, and the directory of its children's files."""

    run: Run
    program: Program
    body: Body
    # The parent's output directory; the execution's metadata directory at top level.
    directory: str
    parent_id: str = ""
    parent_attempt: int = 0
    # Workflows above this one, up to that of the execution.
    depth: int = 0
    # Nodes that fail can wait for an operator: false below a failure node.
    may_hold: bool = True
    # Ids of the nodes above, outermost first, the parent included.
    ancestors: Path = ()

    def node_id(self, spec_node_id: str) -> str:
        """Return the id that the node's execution has or would get now. Safe in queries: it assigns nothing."""
        return self.run.node_ids.of(self._path(spec_node_id))

    def take_node_id(self, spec_node_id: str) -> str:
        """Assign and return the id of the node's execution. Not for queries, which must not change a run."""
        return self.run.node_ids.take(self._path(spec_node_id))

    def _path(self, spec_node_id: str) -> str:
        return naming.node_path(spec_node_id, self.parent_id, self.parent_attempt)

    def data_dir(self, spec_node_id: str) -> str:
        """Return the directory that the node's attempts share."""
        return locations.data_dir(self.directory, spec_node_id, top_level=not self.parent_id)


def now() -> timestamp_pb2.Timestamp:
    """Return the workflow's time, the same on every replay."""
    return times.timestamp(workflow.now())
