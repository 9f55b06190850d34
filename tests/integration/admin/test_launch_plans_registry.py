"""Launch plans are checked against their workflow; of one name at most one version is active."""

import asyncio
from typing import Any

import pytest
from flyteidl.admin import common_pb2, launch_plan_pb2, schedule_pb2
from flyteidl.core import execution_pb2, interface_pb2
from google.rpc import error_details_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.rpc import status
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, identifier, integer, listing, plan, scope, task, workflow

ACTIVE, INACTIVE = launch_plan_pb2.ACTIVE, launch_plan_pb2.INACTIVE


def cron(expression: str, **fields: Any) -> schedule_pb2.Schedule:
    return schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression), **fields)


HOURLY = cron("0 * * * *")


@pytest.fixture(autouse=True)
async def _registered_workflow(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())


async def get(deps: Dependencies, name: str = "w", version: str = "v1") -> launch_plan_pb2.LaunchPlan:
    return await launch_plans.get(deps, common_pb2.ObjectGetRequest(id=identifier("LAUNCH_PLAN", name, version)))


async def set_state(deps: Dependencies, version: str, state: launch_plan_pb2.LaunchPlanState) -> None:
    # flytectl leaves the resource type out.
    request = launch_plan_pb2.LaunchPlanUpdateRequest(id=identifier("UNSPECIFIED", "w", version), state=state)
    await launch_plans.set_state(deps, request)


async def active(deps: Dependencies) -> list[str]:
    request = launch_plan_pb2.ActiveLaunchPlanListRequest(project=PROJECT, domain=DOMAIN, limit=10)
    return [one.id.version for one in (await launch_plans.list_active(deps, request)).launch_plans]


async def listed(deps: Dependencies, filters: str) -> list[str]:
    found = await launch_plans.list_launch_plans(deps, listing(filters=filters))
    return [one.id.name for one in found.launch_plans]


async def test_inputs_without_a_value_are_required(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan())

    found = await get(deps)

    assert found.closure.expected_inputs.parameters["a"].required
    assert found.spec.default_inputs == found.closure.expected_inputs
    assert found.closure.state == INACTIVE
    assert found.closure.HasField("created_at")


async def test_fixed_inputs_are_not_expected_and_defaults_are(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan("fixed", fixed={"a": integer(1)}))
    with_default = plan("default")
    default = interface_pb2.Parameter(var=interface_pb2.Variable(type=INT), default=integer(2))
    with_default.spec.default_inputs.parameters["a"].CopyFrom(default)
    await launch_plans.create(deps, with_default)

    assert not (await get(deps, "fixed")).closure.expected_inputs.parameters
    assert (await get(deps, "default")).closure.expected_inputs.parameters["a"].default == integer(2)


async def test_the_same_again_exists_and_another_structure_conflicts(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan())

    with pytest.raises(errors.AlreadyExists):
        await launch_plans.create(deps, plan())
    with pytest.raises(errors.StructureConflict, match="different structure already exists"):
        await launch_plans.create(deps, plan(fixed={"a": integer(1)}))


async def test_activating_a_version_deactivates_the_active_one(deps: Dependencies) -> None:
    for version in ("v1", "v2"):
        await launch_plans.create(deps, plan(version=version))

    await set_state(deps, "v1", ACTIVE)
    await set_state(deps, "v2", ACTIVE)
    await set_state(deps, "v2", ACTIVE)

    assert await active(deps) == ["v2"]
    found = await launch_plans.get_active(deps, launch_plan_pb2.ActiveLaunchPlanRequest(id=scope("w")))
    assert found.id.version == "v2"
    assert (await get(deps)).closure.state == INACTIVE


async def test_of_many_activations_at_once_one_version_is_active_in_the_end(deps: Dependencies) -> None:
    versions = [f"v{number}" for number in range(6)]
    for version in versions:
        await launch_plans.create(deps, plan(version=version))

    await asyncio.gather(*(set_state(deps, version, ACTIVE) for version in versions))

    assert len(await active(deps)) == 1


async def test_a_deactivated_name_has_no_active_version(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan())
    await set_state(deps, "v1", ACTIVE)

    await set_state(deps, "v1", INACTIVE)

    with pytest.raises(errors.NotFound) as raised:
        await launch_plans.get_active(deps, launch_plan_pb2.ActiveLaunchPlanRequest(id=scope("w")))
    assert raised.value.message == f"No active launch plan could be found: {PROJECT}:{DOMAIN}:w"


async def test_lists_know_schedules_and_the_workflow(deps: Dependencies) -> None:
    await launch_plans.create(deps, plan("plain"))
    await launch_plans.create(deps, plan("hourly", fixed={"a": integer(1)}, schedule=HOURLY))

    assert await listed(deps, "eq(schedule_type,CRON)") == ["hourly"]
    assert await listed(deps, "eq(launch_condition_type,SCHED)") == ["hourly"]
    assert await listed(deps, "eq(workflow.name,w)+eq(schedule_type,NONE)") == ["plain"]
    assert await listed(deps, "eq(workflow.name,other)") == []


@pytest.mark.parametrize(
    "expression", ["not a cron", "0 0 * * * ?", "0 0 31 2 *", "61 * * * *", "* * * * nosuchday", ""]
)
async def test_expressions_that_are_no_cron_are_refused(deps: Dependencies, expression: str) -> None:
    schedule = schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression))

    with pytest.raises(errors.InvalidRequest, match=r"^Invalid cron expression"):
        await launch_plans.create(deps, plan(fixed={"a": integer(1)}, schedule=schedule))


@pytest.mark.parametrize("expression", ["*/5 9-17 * * 1-5", "@daily", "@every 5m", "0 0 1 jan sun"])
async def test_cron_expressions_and_descriptors_are_taken(deps: Dependencies, expression: str) -> None:
    schedule = schedule_pb2.Schedule(cron_schedule=schedule_pb2.CronSchedule(schedule=expression))

    await launch_plans.create(deps, plan(fixed={"a": integer(1)}, schedule=schedule))


@pytest.mark.parametrize(
    "metadata",
    [
        {"schedule": HOURLY},
        {"schedule": schedule_pb2.Schedule(rate=schedule_pb2.FixedRate(value=0))},
        {"schedule": schedule_pb2.Schedule(kickoff_time_input_arg="a", rate=schedule_pb2.FixedRate(value=1))},
        {"notifications": [common_pb2.Notification(phases=[execution_pb2.WorkflowExecution.FAILED])]},
    ],
)
async def test_what_cannot_fire_is_refused(deps: Dependencies, metadata: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest):
        await launch_plans.create(deps, plan(**metadata))


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (cron("not a cron"), "Invalid cron expression: expected exactly 5 fields, found 3: [not a cron]"),
        (
            cron("0 * * * *", kickoff_time_input_arg="zz"),
            "Cannot create a schedule with a KickoffTimeInputArg that does not point to a free input. [zz] is not free "
            "or does not exist.",
        ),
    ],
)
async def test_a_refused_schedule_has_flytes_sentence_and_names_the_launch_plan_in_its_details(
    deps: Dependencies, schedule: schedule_pb2.Schedule, sentence: str
) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        await launch_plans.create(deps, plan(fixed={"a": integer(1)}, schedule=schedule))

    assert raised.value.message == sentence
    (detail,) = raised.value.details
    assert detail == error_details_pb2.ResourceInfo(
        resource_type="launch plan", resource_name=f"{PROJECT}:{DOMAIN}:w:v1"
    )
    assert status.status(raised.value).details[0].Unpack(error_details_pb2.ResourceInfo())


@pytest.mark.parametrize(
    "annotation", [("schedule", '{"time_zone": "Mars"}'), ("concurrency", "many"), ("triggers", '[{"name": "t"}]')]
)
async def test_an_annotation_that_is_refused_names_the_launch_plan(
    deps: Dependencies, annotation: tuple[str, str]
) -> None:
    request = plan(fixed={"a": integer(1)}, schedule=HOURLY)
    key, value = annotation
    request.spec.annotations.values[f"flytetemporal.io/{key}"] = value

    with pytest.raises(errors.InvalidRequest, match=f"^launch plan {PROJECT}:{DOMAIN}:w:v1 cannot be registered: "):
        await launch_plans.create(deps, request)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("schedul", r"did you mean flytetemporal\.io/schedule\?"), ("zzz", r"known are flytetemporal\.io")],
)
async def test_an_annotation_that_is_misspelt_is_refused(deps: Dependencies, name: str, hint: str) -> None:
    request = plan()
    request.spec.annotations.values[f"flytetemporal.io/{name}"] = "{}"

    with pytest.raises(errors.InvalidRequest, match=rf"flytetemporal\.io/{name} of the launch plan is unknown; {hint}"):
        await launch_plans.create(deps, request)


async def test_policies_that_would_refuse_every_execution_refuse_the_launch_plan(deps: Dependencies) -> None:
    request = plan()
    request.spec.annotations.values["flytetemporal.io/timeout"] = "soon"

    with pytest.raises(errors.InvalidRequest, match=r"annotation flytetemporal\.io/timeout of the launch plan: "):
        await launch_plans.create(deps, request)

    request.spec.annotations.values["flytetemporal.io/timeout"] = "1h"
    await launch_plans.create(deps, request)
    assert (await get(deps)).spec.annotations == request.spec.annotations
