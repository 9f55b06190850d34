"""UpkeepWorkflow: the rounds of one loop, for ever. As a workflow it runs once, and survives the death of a worker."""

from datetime import timedelta

from temporalio import workflow

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import upkeep_pb2
from flytetemporal.idl import times
from flytetemporal.workflows import engine_activities

# The activity stops a round a minute before.
TIMEOUT = timedelta(minutes=10)
# After this many a new run starts with an empty history.
ROUNDS = 100


@workflow.defn(name=workflows.UPKEEP_WORKFLOW, sandboxed=False)
class UpkeepWorkflow:
    """Runs the rounds of one loop."""

    def __init__(self) -> None:
        self._woken = False

    @workflow.signal(name=workflows.WAKE)
    def wake(self) -> None:
        """Start the next round as soon as no round runs."""
        self._woken = True

    @workflow.run
    async def run(self, loop: upkeep_pb2.UpkeepLoop) -> None:
        """Run rounds until no worker knows the loop."""
        for _ in range(ROUNDS):
            self._woken = False
            done = await engine_activities.execute(
                activities.upkeep_round, loop, limit=TIMEOUT, summary=f"round of {loop.name}"
            )
            if done.unknown:
                return
            await self._wait(times.limit(done.wait))
        workflow.continue_as_new(loop)

    async def _wait(self, wait: timedelta) -> None:
        try:
            await workflow.wait_condition(lambda: self._woken, timeout=wait, timeout_summary="next round")
        except TimeoutError:
            return
