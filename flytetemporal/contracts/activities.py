"""Typed stubs of the activities: workflows call these, ``activities`` implements them under the same names."""

from temporalio import activity

from flytetemporal.contracts.v1 import control_pb2, execution_pb2


@activity.defn
async def run_task(attempt: execution_pb2.TaskAttempt) -> execution_pb2.TaskAttemptResult:
    """Run one attempt of a task to its end: inputs in, plugin run, outputs out, its events sent."""
    raise NotImplementedError


@activity.defn
async def resolve_inputs(request: execution_pb2.ResolveRequest) -> execution_pb2.NodeOutputs:
    """Resolve bindings that need stored values, write the map, return it inline when small."""
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
async def read_signal(request: execution_pb2.SignalRequest) -> execution_pb2.SignalState:
    """Make a signal known to clients, and return its value once it has one, written as the gate's outputs."""
    raise NotImplementedError


@activity.defn
async def sweep(state: control_pb2.SweepState) -> control_pb2.SweepResult:
    """Compare what is recorded with what runs, and repair both."""
    raise NotImplementedError
