"""A launch plan that runs by itself every morning, once it is active."""

from datetime import UTC, datetime

from flytekit import CronSchedule, LaunchPlan, task, workflow


@task
def report(day: datetime) -> str:
    return f"report of {day:%Y-%m-%d}"


@workflow
def reporting(day: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> str:
    return report(day=day)


every_morning = LaunchPlan.get_or_create(
    reporting, "every_morning", schedule=CronSchedule(schedule="0 6 * * *", kickoff_time_input_arg="day")
)
