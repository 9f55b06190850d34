"""Artifacts: outputs that runs produce under a name, and launch plans whose inputs are the latest of them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from case import ENDED, Case, Run, WorkflowPhase
from flyteidl.admin import execution_pb2
from flytekit import Artifact, LaunchPlan, task, workflow
from flytekit.core.artifact import Granularity, Inputs

Price = Artifact(name="price", partition_keys=["region"])
Daily = Artifact(name="daily", time_partitioned=True, time_partition_granularity=Granularity.DAY)
Chosen = Artifact(name="chosen", partition_keys=["kind"], time_partitioned=True)
Whole = Artifact(name="whole")
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@task
def priced(region: str, price: int) -> Annotated[int, Price(region=Inputs.region)]:
    return price


@task
def of_day(day: datetime, price: int) -> Annotated[int, Daily(time_partition=Inputs.day)]:
    return price


@task
def chosen(price: int) -> Annotated[int, Chosen]:
    return Chosen.create_from(1000 + price, kind="best", time_partition=NOON)


@workflow
def producer(region: str, day: datetime, price: int) -> Annotated[int, Whole]:
    priced(region=region, price=price)
    of_day(day=day, price=price)
    return chosen(price=price)


@task
def total(price: int, daily: int, best: int, whole: int) -> int:
    return price + daily + best + whole


@workflow
def consumer(
    region: str,
    day: datetime,
    price: int = Price.query(region=Inputs.region),
    daily: int = Daily.query(time_partition=Inputs.day),
    best: int = Chosen.query(kind="best", time_partition=NOON),
    whole: int = Whole.query(),
) -> int:
    return total(price=price, daily=daily, best=best, whole=whole)


consumer_plan = LaunchPlan.get_or_create(consumer, "artifacts.consumer_plan", fixed_inputs={"region": "SEA"})


def consumed(run: Run, name: str, **inputs: Any) -> execution_pb2.Execution:
    """Launch a launch plan; return its execution, which has succeeded."""
    launched = run.remote.execute(run.remote.fetch_launch_plan(name=name, version=run.version), inputs=inputs)
    execution_id = launched.id.to_flyte_idl()
    run.until(lambda: run.execution_of(execution_id).closure.phase in ENDED, "the end of the consumer")
    execution = run.execution_of(execution_id)
    assert execution.closure.phase == WorkflowPhase.SUCCEEDED
    assert (
        run.remote.sync_execution(run.remote.fetch_execution(name=launched.id.name)).outputs["o0"] == 2 * 7 + 2 * 1007
    )
    return execution


def are_found_by_launch_plans(run: Run) -> None:
    consumed(run, "artifacts.consumer_plan", day=NOON)
    execution = consumed(run, "artifacts.consumer", region="SEA", day=NOON)
    used = {one.artifact_key.name: one for one in execution.spec.metadata.artifact_ids}
    assert set(used) == {"price", "daily", "chosen", "whole"}
    assert all(one.version.startswith(f"{run.id.name}.") for one in used.values())
    assert used["price"].partitions.value["region"].static_value == "SEA"
    assert used["daily"].time_partition.value.time_value.ToDatetime(UTC) == NOON.replace(hour=0)


CASES = [
    Case(
        producer,
        {"region": "SEA", "day": NOON, "price": 7},
        {"o0": 1007},
        check=are_found_by_launch_plans,
    ),
]
