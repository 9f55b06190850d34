"""SweeperWorkflow: what swept before ``UpkeepWorkflow``. It is here for runs that an earlier release has started."""

from datetime import timedelta

from temporalio import workflow

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.workflows import engine_activities
from flytetemporal.workflows.versions import Patch

INTERVAL = timedelta(seconds=10)
TIMEOUT = timedelta(minutes=10)
# After this many a new run starts with an empty history.
ROUNDS = 100


@workflow.defn(name=workflows.SWEEPER_WORKFLOW, sandboxed=False)
class SweeperWorkflow:
    """Ran the sweeper's rounds."""

    @workflow.run
    async def run(self, state: control_pb2.SweepState) -> None:
        """Sweep to the end of a run; the next run ends at once."""
        if workflow.patched(Patch.SWEEPER_IS_A_LOOP):
            return
        for _ in range(ROUNDS):
            result = await engine_activities.execute(activities.sweep, state, limit=TIMEOUT, summary="sweep")
            state = result.state
            await workflow.sleep(INTERVAL)
        workflow.continue_as_new(state)
