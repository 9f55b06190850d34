"""A launch condition launches its launch plan once per artifact that matches, with what it takes from the artifact."""

from datetime import timedelta

import pytest
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2
from flyteidl.core import artifact_id_pb2, interface_pb2, literals_pb2, types_pb2
from google.protobuf import any_pb2, json_format

from flytetemporal import errors
from flytetemporal.admin.artifacts import values
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import batches
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.firing import delivery, listing
from flytetemporal.admin.registry import launch_plans, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.contracts.v1 import artifacts_pb2, triggers_pb2
from flytetemporal.idl import times
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, STR, identifier, integer, node, plan, variables, workflow
from tests.integration.admin.test_artifacts import (
    NOON,
    ExecutionId,
    Label,
    artifact_id,
    bound,
    ended,
    inputs_of,
    primitive,
    register,
    static,
    succeed,
)

Binding = artifact_id_pb2.ArtifactBindingData
Query = artifact_id_pb2.ArtifactQuery
DATETIME = types_pb2.LiteralType(simple=types_pb2.DATETIME)
ITSELF = Query(binding=Binding())


@pytest.fixture(autouse=True)
async def _projects(deps: Dependencies) -> None:
    await projects.register_defaults(deps)


def condition(watched: artifact_id_pb2.ArtifactID, **inputs: Query | literals_pb2.Literal) -> any_pb2.Any:
    """Return a launch condition as Union's OnArtifact makes it: flyteidl.artifact.Trigger has the fields of ours."""
    parameters = {}
    for name, given in inputs.items():
        if isinstance(given, literals_pb2.Literal):
            parameters[name] = interface_pb2.Parameter(default=given)
        else:
            parameters[name] = interface_pb2.Parameter(artifact_query=given)
    trigger = artifacts_pb2.ArtifactTrigger(
        trigger=watched, trigger_inputs=interface_pb2.ParameterMap(parameters=parameters)
    )
    return any_pb2.Any(type_url="type.googleapis.com/flyteidl.artifact.Trigger", value=trigger.SerializeToString())


async def activate(
    deps: Dependencies, launch_condition: any_pb2.Any, name: str = "follower", **inputs: types_pb2.LiteralType
) -> None:
    """Register a launch plan with a launch condition, of a workflow with these inputs besides a, and activate it."""
    own = workflow(f"of-{name}", nodes=[node(task_name="u")])
    own.spec.template.interface.inputs.MergeFrom(variables(a=INT, **inputs))
    await workflows.create(deps, own)
    request = plan(name)
    request.spec.workflow_id.CopyFrom(own.id)
    request.spec.entity_metadata.launch_conditions.CopyFrom(launch_condition)
    await launch_plans.create(deps, request)
    update = launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("LAUNCH_PLAN", name), state=launch_plan_pb2.ACTIVE)
    await launch_plans.set_state(deps, update)


async def launched(deps: Dependencies) -> list[execution_pb2.Execution]:
    """Deliver the events that wait; return the executions that triggers have launched, oldest first."""
    await delivery.deliveries(deps)
    request = common_pb2.ResourceListRequest(
        id=common_pb2.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN), limit=100, filters="eq(mode,6)"
    )
    found = await workflow_executions.list_executions(deps, request)
    return list(reversed(found.executions))


async def test_each_new_artifact_launches_once(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await succeed(deps, "e0", integer(6))  # Before the activation.
    await activate(deps, condition(artifact_id(), a=ITSELF))

    for execution in ("e1", "e1", "e2"):
        await succeed(deps, execution, integer(7))
        await delivery.deliveries(deps)

    found = await launched(deps)
    assert [one.spec.metadata.reference_execution.name for one in found] == ["e1", "e2"]
    assert [values.text(one.spec.metadata.artifact_ids[0]) for one in found] == [
        "flytesnacks:development:model@e1.n0.0.o0",
        "flytesnacks:development:model@e2.n0.0.o0",
    ]
    assert await inputs_of(deps, found[0].id) == {"a": integer(7)}


async def test_only_artifacts_with_the_watched_partitions_launch(deps: Dependencies) -> None:
    await register(deps, artifact_id(region=bound("region"), kind=static("full")), region=STR)
    await activate(deps, condition(artifact_id(region=static("SEA"), kind=static("")), a=ITSELF), "of-sea")
    await activate(deps, condition(artifact_id(region=static("")), a=ITSELF), "of-any")
    await activate(deps, condition(artifact_id(colour=static("")), a=ITSELF), "of-none")

    for execution, region in (("e1", "SEA"), ("e2", "LAX")):
        await succeed(deps, execution, integer(7), {"region": primitive(string_value=region)})

    found = [(one.spec.launch_plan.name, one.spec.metadata.reference_execution.name) for one in await launched(deps)]
    assert sorted(found) == [("of-any", "e1"), ("of-any", "e2"), ("of-sea", "e1")]


async def test_inputs_come_from_partitions_and_from_earlier_artifacts(deps: Dependencies) -> None:
    await register(deps, artifact_id(region=bound("region"), time=bound("day")), region=STR, day=DATETIME)
    yesterday = artifact_id(
        time=Label(triggered_binding=Binding(bind_to_time_partition=True, time_transform={"transform": "P1D"})),
        region=Label(triggered_binding=Binding(partition_key="region")),
    )
    await activate(
        deps,
        condition(
            artifact_id(region=static(""), time=Label()),
            a=ITSELF,
            before=Query(artifact_id=yesterday),
            region=Query(binding=Binding(partition_key="region")),
            day=Query(binding=Binding(bind_to_time_partition=True)),
            fixed=integer(3),
        ),
        before=INT, region=STR, day=DATETIME, fixed=INT,
    )  # fmt: skip
    for number in range(2):
        day = primitive(datetime=times.timestamp(NOON + timedelta(days=number)))
        await succeed(deps, f"e{number}", integer(number), {"region": primitive(string_value="SEA"), "day": day})

    [found] = await launched(deps)

    assert await inputs_of(deps, found.id) == {
        "a": integer(1),
        "before": integer(0),
        "region": primitive(string_value="SEA"),
        "day": primitive(datetime=times.timestamp(NOON.replace(day=5, hour=0, minute=0, second=0))),
        "fixed": integer(3),
    }
    request = triggers_pb2.ListTriggerEventsRequest(
        project=PROJECT, domain=DOMAIN, launch_plan="follower", trigger="on-artifact"
    )
    first = (await listing.list_trigger_events(deps, request)).events[-1]
    assert triggers_pb2.TriggerEvent.State.Name(first.state) == "FAILED"
    assert "for input before was found" in first.message


async def test_an_inactive_launch_plan_is_not_launched(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await activate(deps, condition(artifact_id(), a=ITSELF))
    plan_id = identifier("LAUNCH_PLAN", "follower")
    await launch_plans.set_state(
        deps, launch_plan_pb2.LaunchPlanUpdateRequest(id=plan_id, state=launch_plan_pb2.INACTIVE)
    )

    await succeed(deps, "e1", integer(7))

    assert await launched(deps) == []


async def test_every_client_can_read_a_launch_condition(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await activate(deps, condition(artifact_id(), a=ITSELF))

    found = await launch_plans.get(deps, common_pb2.ObjectGetRequest(id=identifier("LAUNCH_PLAN", "follower")))

    shown = json_format.MessageToDict(found.spec.entity_metadata)
    assert shown["launchConditions"]["trigger"]["artifactKey"]["name"] == "model"
    again = plan("follower-2")
    again.spec.CopyFrom(found.spec)
    await launch_plans.create(deps, again)  # As promote does.


@pytest.mark.parametrize(
    ("launch_condition", "problem"),
    [
        (
            any_pb2.Any(type_url="type.googleapis.com/some.Other"),
            r"is a \[some.Other\]; only flyteidl.artifact.Trigger",
        ),
        (any_pb2.Any(type_url="type.googleapis.com/flyteidl.artifact.Trigger", value=b"\xff"), "cannot be read"),
        (condition(artifact_id(""), a=ITSELF), "names no artifact"),
        (condition(artifact_id(region=bound("a")), a=ITSELF), "partition region .* has to be a text"),
        (condition(artifact_id()), "leaves the required input a unset"),
        (condition(artifact_id(), a=ITSELF, b=integer(1)), "sets the input b, which the launch plan does not have"),
        (condition(artifact_id(), a=primitive(string_value="x")), "gives the input a a simple:STRING"),
        (
            condition(artifact_id(), a=Query(binding=Binding(partition_key="region"))),
            "gives the input a a simple:STRING",
        ),
        (
            condition(artifact_id(), a=Query(artifact_id=artifact_id(region=bound("b")))),
            "input b, which does not exist",
        ),
        (condition(artifact_id(), a=Query(uri="flyte://")), "is a URI"),
        (
            condition(
                artifact_id(),
                a=Query(binding=Binding(bind_to_time_partition=True, time_transform={"transform": "tomorrow"})),
            ),
            r"\[tomorrow\] is no duration",
        ),
    ],
)
async def test_a_launch_condition_that_could_never_launch_is_refused(
    deps: Dependencies, launch_condition: any_pb2.Any, problem: str
) -> None:
    await register(deps, artifact_id())

    with pytest.raises(errors.InvalidRequest, match=problem):
        await activate(deps, launch_condition)


async def test_launch_plans_that_start_each_other_stop_at_the_limit(deps: Dependencies) -> None:
    await register(deps, artifact_id())
    await activate(deps, condition(artifact_id(), a=ITSELF))
    execution = "e0"
    await succeed(deps, execution, integer(1))

    for _ in range(deps.triggers.max_depth + 2):
        found = await launched(deps)
        last = found[-1].id.name
        if last == execution:
            break
        execution = last
        await succeed_again(deps, execution)

    assert len(await launched(deps)) == deps.triggers.max_depth


async def succeed_again(deps: Dependencies, execution: str) -> None:
    execution_id = ExecutionId(project=PROJECT, domain=DOMAIN, name=execution)
    await batches.record_events(deps, await ended(deps, execution_id, integer(1), {}))
