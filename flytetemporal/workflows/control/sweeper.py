"""SweeperWorkflow: sweeps at an interval, for ever. As a workflow it runs once, and survives the death of a worker."""

from datetime import timedelta

from temporalio import workflow

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.workflows import engine_activities

INTERVAL = timedelta(seconds=10)
TIMEOUT = timedelta(minutes=10)
# After this many a new run starts with an empty history.
ROUNDS = 100


@workflow.defn(name=workflows.SWEEPER_WORKFLOW, sandboxed=False)
class SweeperWorkflow:
    """Runs the sweeper's rounds."""

    @workflow.run
    async def run(self, state: control_pb2.SweepState) -> None:
        """Sweep for ever."""
        for _ in range(ROUNDS):
            result = await engine_activities.execute(activities.sweep, state, limit=TIMEOUT, summary="sweep")
            state = result.state
            await workflow.sleep(INTERVAL)
        workflow.continue_as_new(state)
