"""SweeperWorkflow: sweep, rest, and so on for ever. Durable, so there is one, and a dead worker does not end it."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import control_pb2

INTERVAL = timedelta(seconds=10)
TIMEOUT = timedelta(minutes=10)
# A control worker that died must not stop the sweeping for so long.
HEARTBEAT = timedelta(seconds=15)
# Then a new run begins with an empty history.
ROUNDS = 100
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30))


@workflow.defn(name=workflows.SWEEPER_WORKFLOW, sandboxed=False)
class SweeperWorkflow:
    """Runs the sweeper's rounds."""

    @workflow.run
    async def run(self, state: control_pb2.SweepState) -> None:
        """Sweep for ever."""
        for _ in range(ROUNDS):
            result = await workflow.execute_activity(
                activities.sweep,
                state,
                start_to_close_timeout=TIMEOUT,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
            )
            state = result.state
            await workflow.sleep(INTERVAL)
        workflow.continue_as_new(state)
