"""A workflow with a schedule that fails on one day, as long as a file is missing."""

from datetime import datetime
from pathlib import Path

from flytekit import CronSchedule, LaunchPlan, task, workflow


@task
def load(day: datetime, folder: str) -> str:
    if day.day == 3 and not Path(folder, "repaired").exists():
        raise ValueError("the data of the third are late")
    return f"{day:%Y-%m-%d}"


@workflow
def nightly(day: datetime, folder: str = "/nonexistent") -> str:
    return load(day=day, folder=folder)


every_night = LaunchPlan.get_or_create(
    nightly, "every_night", schedule=CronSchedule(schedule="0 2 * * *", kickoff_time_input_arg="day")
)
