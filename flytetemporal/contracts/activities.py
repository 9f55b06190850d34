"""Typed stubs of the activities: workflows call these, ``activities`` implements them under the same names.

The names of the functions are the activity types in every history: renaming one breaks running executions.
"""

from datetime import timedelta

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import identifier_pb2
from temporalio import activity

from flytetemporal.contracts.v1 import (
    arrays_pb2,
    backfills_pb2,
    caching_pb2,
    continuation_pb2,
    control_pb2,
    execution_pb2,
    upkeep_pb2,
)

HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""Temporal retries an activity on another worker if it gets no heartbeat for this time."""


@activity.defn
async def run_task(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    """Run one attempt of a task to its end: stage inputs, run the plugin, read outputs, report its phases."""
    raise NotImplementedError


@activity.defn
async def run_elements(batch: arrays_pb2.ElementBatch) -> arrays_pb2.ElementBatchResult:
    """Run attempts of elements of an array one after another in one process, as long as that takes little time."""
    raise NotImplementedError


@activity.defn
async def resolve_inputs(request: execution_pb2.ResolveRequest) -> execution_pb2.NodeOutputs:
    """Resolve bindings that need stored values, write the map, and return it inline if it is small."""
    raise NotImplementedError


@activity.defn
async def choose_case(request: execution_pb2.CaseRequest) -> execution_pb2.CaseChoice:
    """Find the first condition of a branch that holds."""
    raise NotImplementedError


@activity.defn
async def record_events(report: execution_pb2.Report) -> None:
    """Write the files of nodes that run inside the workflow, then send the events to admin."""
    raise NotImplementedError


@activity.defn
async def load_graph(reference: execution_pb2.ContentReference) -> execution_pb2.GraphBytes:
    """Read a graph that is too large for the start argument."""
    raise NotImplementedError


@activity.defn
async def read_earlier_nodes(request: execution_pb2.EarlierNodesRequest) -> execution_pb2.EarlierNodes:
    """Return a page of what can be reused of the nodes of an execution that is recovered."""
    raise NotImplementedError


@activity.defn
async def store_state(part: continuation_pb2.StateBytes) -> execution_pb2.ContentReference:
    """Store a part of a run's state that is too large for the start argument of the next run."""
    raise NotImplementedError


@activity.defn
async def read_signal(request: execution_pb2.SignalRequest) -> execution_pb2.SignalState:
    """Make a signal known to clients, and return its value once it has one, written as the gate's outputs."""
    raise NotImplementedError


@activity.defn
async def compile_dynamic(request: execution_pb2.DynamicRequest) -> execution_pb2.DynamicGraph:
    """Compile the workflow in an attempt's ``futures.pb``, show it to clients, and return its graph."""
    raise NotImplementedError


@activity.defn
async def look_up_outputs(lookups: caching_pb2.Lookups) -> caching_pb2.FoundOutputs:
    """Look up the cached outputs of attempts that are ready, write those that are found, and return them."""
    raise NotImplementedError


@activity.defn
async def store_outputs(node: caching_pb2.CachedNode) -> caching_pb2.StoredOutputs:
    """Store the outputs of a dynamic node in the cache, and release its reservation."""
    raise NotImplementedError


@activity.defn
async def extend_reservation(node: caching_pb2.CachedNode) -> caching_pb2.ExtendedReservation:
    """Extend the reservation of a dynamic node that computes what other attempts wait for."""
    raise NotImplementedError


@activity.defn
async def plan_array(request: arrays_pb2.ArrayRequest) -> arrays_pb2.ArrayPlan:
    """Resolve and write the inputs of an array node, and cut them into chunks."""
    raise NotImplementedError


@activity.defn
async def read_elements(element: execution_pb2.ElementInputs) -> execution_pb2.NodeOutputs:
    """Return the durations of all elements of a chunk, for core-sleep, which runs inside the workflow."""
    raise NotImplementedError


@activity.defn
async def recover_elements(request: arrays_pb2.RecoverElementsRequest) -> arrays_pb2.RecoveredElements:
    """Take over the outputs of the elements that succeeded in the execution that is recovered."""
    raise NotImplementedError


@activity.defn
async def gather_elements(request: arrays_pb2.GatherRequest) -> execution_pb2.NodeOutputs:
    """Collect the outputs of consecutive elements into lists; an element that did not succeed contributes none."""
    raise NotImplementedError


@activity.defn
async def join_elements(request: arrays_pb2.JoinRequest) -> execution_pb2.NodeOutputs:
    """Concatenate the lists of several files, in order."""
    raise NotImplementedError


@activity.defn
async def launch_child(request: execution_pb2.LaunchRequest) -> execution_pb2.LaunchResult:
    """Launch the execution of a launch plan node, unless it was launched before."""
    raise NotImplementedError


@activity.defn
async def read_child(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.ChildState:
    """Return the outcome of a child; unset while it runs."""
    raise NotImplementedError


@activity.defn
async def terminate_child(request: admin_execution_pb2.ExecutionTerminateRequest) -> None:
    """Abort a child, unless it has ended or was never launched."""
    raise NotImplementedError


@activity.defn
async def copy_outputs(request: execution_pb2.CopyRequest) -> execution_pb2.NodeOutputs:
    """Copy outputs to the URI of another node, and return them inline if they are small."""
    raise NotImplementedError


@activity.defn
async def sweep(state: control_pb2.SweepState) -> control_pb2.SweepResult:
    """Compare rows with Temporal workflows, and repair the differences; done by a loop now."""
    raise NotImplementedError


@activity.defn
async def upkeep_round(loop: upkeep_pb2.UpkeepLoop) -> upkeep_pb2.UpkeepRound:
    """Run one round of a loop of the control worker, and record it."""
    raise NotImplementedError


@activity.defn
async def launch_scheduled(launch: control_pb2.ScheduledLaunch) -> control_pb2.ScheduledLaunchResult:
    """Launch the execution of one time of a schedule, unless it was launched before."""
    raise NotImplementedError


@activity.defn
async def advance_backfill(backfill: backfills_pb2.BackfillId) -> backfills_pb2.Backfill:
    """Record which executions of a backfill have ended, launch the next ones, and return its progress."""
    raise NotImplementedError
