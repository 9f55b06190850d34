"""A workflow that a schedule launches."""

from datetime import datetime

from flytekit import CronSchedule, LaunchPlan, task, workflow


@task
def day_of(kickoff: datetime) -> str:
    return kickoff.isoformat()


@workflow
def daily(kickoff: datetime) -> str:
    return day_of(kickoff=kickoff)


every_morning = LaunchPlan.get_or_create(
    daily, "every_morning", schedule=CronSchedule(schedule="0 6 * * *", kickoff_time_input_arg="kickoff")
)
