"""Typed stubs of the activities: workflows call these, ``activities`` implements them under the same names."""

from datetime import timedelta

from flyteidl.admin import execution_pb2 as admin_execution_pb2
from flyteidl.core import identifier_pb2
from temporalio import activity

from flytetemporal.contracts.v1 import arrays_pb2, continuation_pb2, control_pb2, execution_pb2

HEARTBEAT_TIMEOUT = timedelta(seconds=15)
"""How long nothing may be heard of an activity before Temporal hands it to another worker."""


@activity.defn
async def run_task(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    """Run one attempt of a task to its end: inputs in, plugin run, outputs out, its events sent."""
    raise NotImplementedError


@activity.defn
async def resolve_inputs(request: execution_pb2.ResolveRequest) -> execution_pb2.NodeOutputs:
    """Resolve bindings that need stored values, write the map, return it inline when small."""
    raise NotImplementedError


@activity.defn
async def choose_case(request: execution_pb2.CaseRequest) -> execution_pb2.CaseChoice:
    """Say which condition of a branch is the first that holds."""
    raise NotImplementedError


@activity.defn
async def record_events(report: execution_pb2.Report) -> None:
    """Write the files of pure nodes, then tell admin what happened."""
    raise NotImplementedError


@activity.defn
async def load_graph(reference: execution_pb2.ContentReference) -> execution_pb2.GraphBytes:
    """Read a graph that is too large for the start argument."""
    raise NotImplementedError


@activity.defn
async def store_state(part: continuation_pb2.StateBytes) -> execution_pb2.ContentReference:
    """Keep a part of what a run hands to the next one when it is too large for the start argument."""
    raise NotImplementedError


@activity.defn
async def read_signal(request: execution_pb2.SignalRequest) -> execution_pb2.SignalState:
    """Make a signal known to clients, and return its value once it has one, written as the gate's outputs."""
    raise NotImplementedError


@activity.defn
async def compile_dynamic(request: execution_pb2.DynamicRequest) -> execution_pb2.DynamicGraph:
    """Compile the workflow that an attempt left behind, show it to clients, and return what the engine walks."""
    raise NotImplementedError


@activity.defn
async def plan_array(request: arrays_pb2.ArrayRequest) -> arrays_pb2.ArrayPlan:
    """Resolve and write the inputs of an array node, and cut them into chunks."""
    raise NotImplementedError


@activity.defn
async def read_elements(element: execution_pb2.ElementInputs) -> execution_pb2.NodeOutputs:
    """Return the durations of all elements of a chunk, for elements that run inside the workflow: core-sleep."""
    raise NotImplementedError


@activity.defn
async def gather_elements(request: arrays_pb2.GatherRequest) -> execution_pb2.NodeOutputs:
    """Make lists of the outputs of a row of elements; those that did not succeed contribute none."""
    raise NotImplementedError


@activity.defn
async def join_elements(request: arrays_pb2.JoinRequest) -> execution_pb2.NodeOutputs:
    """Append the lists of several files, in order."""
    raise NotImplementedError


@activity.defn
async def launch_child(request: execution_pb2.LaunchRequest) -> execution_pb2.LaunchResult:
    """Launch the execution of a launch plan node; one that was launched before is left alone."""
    raise NotImplementedError


@activity.defn
async def read_child(execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.ChildState:
    """Return how a child ended, if it has."""
    raise NotImplementedError


@activity.defn
async def terminate_child(request: admin_execution_pb2.ExecutionTerminateRequest) -> None:
    """Abort a child; one that has ended or was never launched is left alone."""
    raise NotImplementedError


@activity.defn
async def copy_outputs(request: execution_pb2.CopyRequest) -> execution_pb2.NodeOutputs:
    """Copy outputs to where they belong to another node, and return them inline when small."""
    raise NotImplementedError


@activity.defn
async def sweep(state: control_pb2.SweepState) -> control_pb2.SweepResult:
    """Compare what is recorded with what runs, and repair both."""
    raise NotImplementedError
