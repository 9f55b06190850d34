"""A launch plan that runs whenever another one has succeeded, and whenever a signed webhook arrives."""

from datetime import UTC, datetime

from flytekit import Annotations, LaunchPlan, task, workflow

TRIGGERS = """
- name: after-load
  success: load
  inputs: {rows: outputs.o0, at: time}
- name: pushed
  webhook: ci
  inputs: {rows: body.build.rows}
"""


@task
def count(day: str) -> int:
    return len(day)


@workflow
def loading(day: str = "monday") -> int:
    return count(day=day)


@task
def summary(rows: int, at: datetime) -> str:
    return f"{rows} rows at {at:%Y-%m-%d}"


@workflow
def summing_up(rows: int, at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> str:
    return summary(rows=rows, at=at)


load = LaunchPlan.get_or_create(loading, "load")
sum_up = LaunchPlan.get_or_create(
    summing_up, "sum_up", annotations=Annotations({"flytetemporal.io/triggers": TRIGGERS})
)
