"""Attributes are found at the closest level that has them."""

import pytest
from flyteidl.admin import (
    matchable_resource_pb2,
    project_attributes_pb2,
    project_domain_attributes_pb2,
    workflow_attributes_pb2,
)

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.settings import attributes, projects
from tests.fixtures.registrations import DOMAIN, PROJECT

QUEUE = matchable_resource_pb2.EXECUTION_QUEUE
OVERRIDE = matchable_resource_pb2.PLUGIN_OVERRIDE
CONFIG = matchable_resource_pb2.WORKFLOW_EXECUTION_CONFIG
Matching = matchable_resource_pb2.MatchingAttributes


@pytest.fixture(autouse=True)
async def _registered_projects(deps: Dependencies) -> None:
    await projects.register_defaults(deps)


def queue(tag: str) -> matchable_resource_pb2.MatchingAttributes:
    return Matching(execution_queue_attributes=matchable_resource_pb2.ExecutionQueueAttributes(tags=[tag]))


def overrides(**plugins: str) -> matchable_resource_pb2.MatchingAttributes:
    found = [matchable_resource_pb2.PluginOverride(task_type=t, plugin_id=[p]) for t, p in plugins.items()]
    return Matching(plugin_overrides=matchable_resource_pb2.PluginOverrides(overrides=found))


async def set_project(deps: Dependencies, found: matchable_resource_pb2.MatchingAttributes) -> None:
    given = project_attributes_pb2.ProjectAttributes(project=PROJECT, matching_attributes=found)
    await attributes.update_project(deps, project_attributes_pb2.ProjectAttributesUpdateRequest(attributes=given))


async def set_domain(deps: Dependencies, found: matchable_resource_pb2.MatchingAttributes) -> None:
    given = project_domain_attributes_pb2.ProjectDomainAttributes(
        project=PROJECT, domain=DOMAIN, matching_attributes=found
    )
    request = project_domain_attributes_pb2.ProjectDomainAttributesUpdateRequest(attributes=given)
    await attributes.update_project_domain(deps, request)


async def set_workflow(deps: Dependencies, found: matchable_resource_pb2.MatchingAttributes) -> None:
    given = workflow_attributes_pb2.WorkflowAttributes(
        project=PROJECT, domain=DOMAIN, workflow="w", matching_attributes=found
    )
    request = workflow_attributes_pb2.WorkflowAttributesUpdateRequest(attributes=given)
    await attributes.update_workflow(deps, request)


async def of_workflow(
    deps: Dependencies, kind: matchable_resource_pb2.MatchableResource = QUEUE
) -> workflow_attributes_pb2.WorkflowAttributes:
    request = workflow_attributes_pb2.WorkflowAttributesGetRequest(
        project=PROJECT, domain=DOMAIN, workflow="w", resource_type=kind
    )
    return (await attributes.get_workflow(deps, request)).attributes


async def test_the_closest_level_answers_under_its_own_name(deps: Dependencies) -> None:
    await set_project(deps, queue("project"))
    widest = await of_workflow(deps)
    await set_domain(deps, queue("domain"))
    wider = await of_workflow(deps)
    await set_workflow(deps, queue("workflow"))
    closest = await of_workflow(deps)

    assert (widest.domain, widest.workflow, widest.matching_attributes) == ("", "", queue("project"))
    assert (wider.domain, wider.workflow, wider.matching_attributes) == (DOMAIN, "", queue("domain"))
    assert (closest.workflow, closest.matching_attributes) == ("w", queue("workflow"))


async def test_an_update_replaces_but_plugin_overrides_are_merged_by_task_type(deps: Dependencies) -> None:
    await set_domain(deps, queue("old"))
    await set_domain(deps, queue("new"))
    await set_domain(deps, overrides(a="one", b="two"))
    await set_domain(deps, overrides(b="three", c="four"))

    assert (await of_workflow(deps)).matching_attributes == queue("new")
    assert (await of_workflow(deps, OVERRIDE)).matching_attributes == overrides(a="one", b="three", c="four")


async def test_deleting_is_repeatable_and_touches_its_level_only(deps: Dependencies) -> None:
    await set_project(deps, queue("project"))
    await set_domain(deps, queue("domain"))
    request = project_attributes_pb2.ProjectAttributesDeleteRequest(project=PROJECT, resource_type=QUEUE)

    await attributes.delete_project(deps, request)
    await attributes.delete_project(deps, request)

    assert (await of_workflow(deps)).matching_attributes == queue("domain")


async def test_what_is_not_set_is_named_in_flytes_words(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound) as raised:
        await of_workflow(deps)

    assert raised.value.message == (
        f"Resource [{{Project:{PROJECT} Domain:{DOMAIN} Workflow:w LaunchPlan: "
        "ResourceType:EXECUTION_QUEUE}] not found"
    )


async def test_a_projects_execution_config_is_filled_up_with_the_servers(deps: Dependencies) -> None:
    request = project_attributes_pb2.ProjectAttributesGetRequest(project=PROJECT, resource_type=CONFIG)

    found = (await attributes.get_project(deps, request)).attributes.matching_attributes

    assert found.workflow_execution_config.max_parallelism == deps.settings.max_parallelism


async def test_all_levels_are_listed_closest_first(deps: Dependencies) -> None:
    await set_project(deps, queue("project"))
    await set_workflow(deps, queue("workflow"))
    await set_domain(deps, queue("domain"))

    request = matchable_resource_pb2.ListMatchableAttributesRequest(resource_type=QUEUE)
    found = (await attributes.list_all(deps, request)).configurations

    assert [(one.domain, one.workflow) for one in found] == [(DOMAIN, "w"), (DOMAIN, ""), ("", "")]


async def test_nothing_given_and_quality_of_service_are_refused(deps: Dependencies) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"^missing matching_attributes$"):
        await set_domain(deps, Matching())
    service = Matching()
    service.quality_of_service.SetInParent()
    with pytest.raises(errors.InvalidRequest, match="unrecognized matching attributes type"):
        await set_domain(deps, service)
    unknown = matchable_resource_pb2.ListMatchableAttributesRequest(resource_type=99)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRequest):
        await attributes.list_all(deps, unknown)


async def test_policies_that_cannot_be_read_are_refused(deps: Dependencies) -> None:
    config = matchable_resource_pb2.WorkflowExecutionConfig()
    config.annotations.values["flytetemporal.io/retry"] = "often"

    for store in (set_project, set_domain, set_workflow):
        with pytest.raises(errors.InvalidRequest, match=r"annotation flytetemporal\.io/retry of the attributes: "):
            await store(deps, Matching(workflow_execution_config=config))
