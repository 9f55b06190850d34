"""Artifacts: outputs that runs produce under a name, and launch plans whose inputs are the latest of them."""

from datetime import UTC, datetime
from typing import Annotated, Any

from case import ENDED, Case, Run, WorkflowPhase
from flyteidl.admin import common_pb2, execution_pb2
from flyteidl.core import interface_pb2
from flytekit import Artifact, LaunchPlan, task, workflow
from flytekit.core.artifact import Granularity, Inputs
from flytekit.models.launch_plan import LaunchPlanState
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

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


def trigger_message() -> Any:
    """Return the class of flyteidl.artifact.Trigger. flytekit has none; the packages that have OnArtifact bring it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="flyteidl/artifacts/artifacts.proto",
        package="flyteidl.artifact",
        dependency=["flyteidl/core/artifact_id.proto", "flyteidl/core/interface.proto"],
    )
    message = file.message_type.add(name="Trigger")
    message.field.add(name="trigger", number=1, label=1, type=11, type_name=".flyteidl.core.ArtifactID")
    message.field.add(name="trigger_inputs", number=2, label=1, type=11, type_name=".flyteidl.core.ParameterMap")
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("flyteidl.artifact.Trigger"))


class OnPrice:
    """A trigger as flytekit takes it: each new price launches, with the price and its region."""

    def to_flyte_idl(self, plan: LaunchPlan) -> Any:
        inputs = {
            "price": Price.embed_as_query(),
            "region": Price.embed_as_query(partition="region"),
        }
        parameters = {
            name: interface_pb2.Parameter(var=plan.interface.inputs[name].to_flyte_idl(), artifact_query=query)
            for name, query in inputs.items()
        }
        trigger_inputs = interface_pb2.ParameterMap(parameters=parameters)
        return trigger_message()(trigger=Price.to_id_idl(), trigger_inputs=trigger_inputs)


@task
def said(region: str, price: int) -> str:
    return f"{region} {price}"


@workflow
def follower(region: str, price: int) -> str:
    return said(region=region, price=price)


follower_plan = LaunchPlan.get_or_create(follower, "artifacts.follower_plan", trigger=OnPrice())


def start_launch_plans(run: Run) -> None:
    plan = run.remote.fetch_launch_plan(name="artifacts.follower_plan", version=run.version)
    run.remote.client.update_launch_plan(plan.id, LaunchPlanState.ACTIVE)
    again = run.remote.execute(
        run.remote.fetch_launch_plan(name="artifacts.producer", version=run.version),
        inputs={"region": "LAX", "day": NOON, "price": 9},
    )

    def found() -> list[execution_pb2.Execution]:
        scope = common_pb2.NamedEntityIdentifier(project=run.id.project, domain=run.id.domain)
        mode = execution_pb2.ExecutionMetadata.TRIGGER
        request = common_pb2.ResourceListRequest(id=scope, limit=100, filters=f"eq(mode,{mode})")
        return [
            one
            for one in run.admin.ListExecutions(request).executions
            if one.spec.launch_plan.name == "artifacts.follower_plan" and one.closure.phase in ENDED
        ]

    run.until(lambda: bool(found()), "the launch by the artifact")
    [one] = found()
    assert one.spec.metadata.reference_execution.name == again.id.name
    assert run.remote.sync_execution(run.remote.fetch_execution(name=one.id.name)).outputs["o0"] == "LAX 9"


def are_served(run: Run) -> None:
    are_found_by_launch_plans(run)
    start_launch_plans(run)


CASES = [
    Case(
        producer,
        {"region": "SEA", "day": NOON, "price": 7},
        {"o0": 1007},
        check=are_served,
    ),
]
