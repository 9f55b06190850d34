"""ScheduledLaunchWorkflow: a time of a launch plan's schedule. It launches one execution, and ends."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

from flytetemporal.contracts import activities, workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.idl import times
from flytetemporal.workflows import engine_activities

TIMEOUT = timedelta(minutes=2)
# Errors that do not pass, such as a launch plan that was deleted, are not retried anyway.
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
# Temporal sets it to the time that matched, whenever the workflow starts.
_FIRED_AT = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name=workflows.SCHEDULED_LAUNCH_WORKFLOW, sandboxed=False)
class ScheduledLaunchWorkflow:
    """Launches the execution of one time of a schedule."""

    @workflow.run
    async def run(self, schedule: control_pb2.LaunchSchedule) -> control_pb2.ScheduledLaunchResult:
        """Wait for the delay of the schedule, and launch; return the execution, or why there is none."""
        fired_at = workflow.info().typed_search_attributes.get(_FIRED_AT) or workflow.info().start_time
        launch = control_pb2.ScheduledLaunch(
            launch_plan=schedule.launch_plan, scheduled_at=times.timestamp(fired_at.replace(microsecond=0))
        )
        delay = times.limit(schedule.delay)
        if delay:
            await workflow.sleep(delay, summary="offset of the schedule")
        return await engine_activities.execute(
            activities.launch_scheduled, launch, limit=TIMEOUT, retry_policy=RETRY, summary="launch"
        )
