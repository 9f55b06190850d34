"""Tasks are registered once, read back, listed and filtered."""

import asyncio

import pytest
from flyteidl.admin import (
    common_pb2,
    description_entity_pb2,
    matchable_resource_pb2,
    project_domain_attributes_pb2,
    project_pb2,
)
from flyteidl.core import identifier_pb2, tasks_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.registry import descriptions, tasks
from flytetemporal.admin.settings import attributes, projects
from tests.fixtures.registrations import DOMAIN, PROJECT, STR, identifier, listing, scope, task


@pytest.fixture(autouse=True)
async def _registered_projects(deps: Dependencies) -> None:
    await projects.register_defaults(deps)


async def versions(deps: Dependencies, **request: object) -> list[str]:
    found = await tasks.list_tasks(deps, listing(**request))  # type: ignore[arg-type]
    return [one.id.version for one in found.tasks]


async def test_a_registered_task_is_read_back_under_its_id(deps: Dependencies) -> None:
    await tasks.create(deps, task())

    found = await tasks.get(deps, common_pb2.ObjectGetRequest(id=identifier("UNSPECIFIED", "t")))

    assert found.id == identifier("TASK", "t")
    assert found.closure.compiled_task.template.id == identifier("TASK", "t")
    assert found.closure.HasField("created_at")


async def test_the_same_again_exists_and_another_structure_conflicts(deps: Dependencies) -> None:
    await tasks.create(deps, task())

    with pytest.raises(errors.AlreadyExists, match=r"^task with identical structure already exists$"):
        await tasks.create(deps, task())
    with pytest.raises(errors.StructureConflict, match="already exists") as raised:
        await tasks.create(deps, task(input_type=STR))
    assert "/template/interface/inputs/variables/a/type/simple:\n\t- 1\n\t+ 3" in raised.value.message


async def test_of_many_identical_creates_at_once_one_registers(deps: Dependencies) -> None:
    answers = await asyncio.gather(*(tasks.create(deps, task()) for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(answer, errors.AlreadyExists) for answer in answers) == 7
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1


async def test_an_unknown_task_is_named(deps: Dependencies) -> None:
    with pytest.raises(errors.NotFound) as raised:
        await tasks.get(deps, common_pb2.ObjectGetRequest(id=identifier("TASK", "nosuch")))

    assert raised.value.message == (
        f'missing entity of type TASK with identifier project:"{PROJECT}" domain:"{DOMAIN}" name:"nosuch" version:"v1"'
    )


async def test_lists_are_newest_first_paged_filtered_and_sorted(deps: Dependencies) -> None:
    for version in ("v1", "v3", "v2"):
        await tasks.create(deps, task(version=version, kind=f"kind-{version}"))

    first = await tasks.list_tasks(deps, listing("t", limit=2))

    assert [one.id.version for one in first.tasks] == ["v2", "v3"]
    assert await versions(deps, name="t", limit=2, token=first.token) == ["v1"]
    assert await versions(deps, sort_by=common_pb2.Sort(key="version", direction=common_pb2.Sort.ASCENDING)) == [
        "v1",
        "v2",
        "v3",
    ]
    assert await versions(deps, filters="value_in(type,kind-v1;kind-v2)") == ["v2", "v1"]
    assert await versions(deps, filters="value_not_in(version,v1)+contains(type,kind)") == ["v2", "v3"]
    assert await versions(deps, filters="gt(created_at,2020-01-01T00:00:00Z)+ne(version,v3)") == ["v2", "v1"]
    assert await versions(deps, filters="contains(type,\\)") == []
    assert await versions(deps, filters="not_like(type,kind-v1\\)") == ["v2", "v3", "v1"]


async def test_names_are_listed_once_however_many_versions_they_have(deps: Dependencies) -> None:
    for name, version in (("b", "v1"), ("a", "v1"), ("a", "v2")):
        await tasks.create(deps, task(name, version))
    request = common_pb2.NamedEntityIdentifierListRequest(project=PROJECT, domain=DOMAIN, limit=1)

    first = await tasks.list_ids(deps, request)
    request.token = first.token
    second = await tasks.list_ids(deps, request)

    assert [*first.entities, *second.entities] == [scope("a"), scope("b")]


async def test_an_inactive_project_takes_no_tasks_and_says_so_in_detail(deps: Dependencies) -> None:
    await projects.update(deps, project_pb2.Project(id=PROJECT, state=project_pb2.Project.ARCHIVED))

    with pytest.raises(errors.InvalidRequest) as raised:
        await tasks.create(deps, task())

    assert raised.value.details == (project_pb2.InactiveProject(id=PROJECT),)


async def test_attributes_replace_the_platforms_limits(deps: Dependencies) -> None:
    limits = matchable_resource_pb2.TaskResourceSpec(cpu="1")
    target = matchable_resource_pb2.TaskResourceAttributes(limits=limits)
    request = project_domain_attributes_pb2.ProjectDomainAttributesUpdateRequest(
        attributes=project_domain_attributes_pb2.ProjectDomainAttributes(
            project=PROJECT,
            domain=DOMAIN,
            matching_attributes=matchable_resource_pb2.MatchingAttributes(task_resource_attributes=target),
        )
    )
    await attributes.update_project_domain(deps, request)
    hungry = task()
    entry = tasks_pb2.Resources.ResourceEntry(name=tasks_pb2.Resources.CPU, value="3")
    hungry.spec.template.container.resources.requests.append(entry)

    with pytest.raises(errors.InvalidRequest, match=r"platform configuration \[1\]"):
        await tasks.create(deps, hungry)


async def test_a_description_is_kept_with_the_version(deps: Dependencies) -> None:
    described = task()
    described.spec.description.short_description = "Adds one."
    described.spec.description.source_code.link = "https://example.com"

    await tasks.create(deps, described)

    found = await descriptions.get(deps, common_pb2.ObjectGetRequest(id=identifier("TASK", "t")))
    assert found.id == identifier("TASK", "t")
    assert found.source_code.link == "https://example.com"
    task_found = await tasks.get(deps, common_pb2.ObjectGetRequest(id=identifier("TASK", "t")))
    assert task_found.short_description == "Adds one."


@pytest.mark.parametrize("name", ["a\0b", "", "n" * 256])
async def test_names_that_do_not_fit_their_column_are_refused(deps: Dependencies, name: str) -> None:
    with pytest.raises(errors.InvalidRequest):
        await tasks.create(deps, task(name))
    with pytest.raises(errors.InvalidRequest):
        await tasks.get(deps, common_pb2.ObjectGetRequest(id=identifier("TASK", name)))


async def test_texts_and_kinds_that_do_not_fit_are_refused(deps: Dependencies) -> None:
    described = task()
    described.spec.description.short_description = "a\0b"
    with pytest.raises(errors.InvalidRequest):
        await tasks.create(deps, described)
    with pytest.raises(errors.InvalidRequest):
        await tasks.create(deps, task(kind="k" * 256))
    with pytest.raises(errors.InvalidRequest):
        await tasks.list_tasks(deps, listing("a\0b"))
    wrong = identifier_pb2.Identifier(resource_type=99, project=PROJECT, domain=DOMAIN, name="t", version="v1")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidRequest):
        await tasks.get(deps, common_pb2.ObjectGetRequest(id=wrong))


async def test_a_short_description_alone_comes_with_the_parts_that_the_console_reads(deps: Dependencies) -> None:
    request = task("described")
    request.spec.description.short_description = "short"
    await tasks.create(deps, request)

    found = await descriptions.get(deps, common_pb2.ObjectGetRequest(id=request.id))
    listed = await descriptions.list_descriptions(
        deps,
        description_entity_pb2.DescriptionEntityListRequest(resource_type="TASK", id=scope("described"), limit=10),
    )

    for description in (found, *listed.descriptionEntities):
        assert description.short_description == "short"
        assert description.HasField("long_description")
        assert description.HasField("source_code")
