"""Projects are registered, changed, archived and listed."""

import asyncio

import pytest
from flyteidl.admin import common_pb2, project_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.registry import tasks
from flytetemporal.admin.settings import projects
from tests.fixtures import registrations as requests

Project = project_pb2.Project


def registration(identifier: str = "mine", **fields: object) -> project_pb2.ProjectRegisterRequest:
    project = Project(id=identifier, **({"name": "Mine"} | fields))  # type: ignore[arg-type]
    return project_pb2.ProjectRegisterRequest(project=project)


async def found(deps: Dependencies, identifier: str = "mine") -> project_pb2.Project:
    return await projects.get(deps, project_pb2.ProjectGetRequest(id=identifier))


async def listed(deps: Dependencies, **request: object) -> list[str]:
    answer = await projects.list_projects(deps, project_pb2.ProjectListRequest(**request))  # type: ignore[arg-type]
    return [project.id for project in answer.projects]


async def test_a_project_has_the_configured_domains(deps: Dependencies) -> None:
    labels = common_pb2.Labels(values={"team": "ml"})
    await projects.register(deps, registration(description="ours", labels=labels))

    project = await found(deps)

    assert (project.name, project.description, project.labels) == ("Mine", "ours", labels)
    assert [domain.id for domain in project.domains] == ["development", "staging", "production"]


async def test_the_defaults_are_registered_once(deps: Dependencies) -> None:
    await asyncio.gather(*(projects.register_defaults(deps) for _ in range(3)))

    assert await listed(deps) == ["flyteexamples", "flytesnacks", "flytetester"]


async def test_an_id_is_taken_once(deps: Dependencies) -> None:
    answers = await asyncio.gather(*(projects.register(deps, registration()) for _ in range(3)), return_exceptions=True)

    assert sum(isinstance(answer, errors.AlreadyExists) for answer in answers) == 2


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"identifier": ""}, "missing project_id"),
        ({"name": ""}, "missing project_name"),
        ({"name": "x" * 65}, "project_name cannot exceed 64 characters"),
        ({"description": "x" * 301}, "project_description cannot exceed 300 characters"),
        ({"identifier": "Mine"}, "invalid project id [Mine]"),
        ({"identifier": "x" * 64}, "invalid project id"),
        ({"identifier": "a\0b"}, "invalid project id"),
        ({"name": "a\0b"}, "invalid value for project_name"),
        ({"description": "a\0b"}, "invalid value for project_description"),
        ({"domains": [project_pb2.Domain(id="mine")]}, "Domains are currently only set system wide"),
        ({"labels": common_pb2.Labels(values={"a b": ""})}, "invalid label key [a b]"),
        ({"state": 9}, "invalid value for state"),
    ],
)
async def test_a_malformed_project_is_refused(deps: Dependencies, fields: dict[str, object], message: str) -> None:
    with pytest.raises(errors.InvalidRequest) as failure:
        await projects.register(deps, registration(**fields))  # type: ignore[arg-type]

    assert failure.value.message.startswith(message)


async def test_an_update_keeps_what_is_empty_but_writes_the_state(deps: Dependencies) -> None:
    labels = common_pb2.Labels(values={"team": "ml"})
    await projects.register(deps, registration(description="ours", labels=labels))

    await projects.update(deps, Project(id="mine", state="ARCHIVED"))
    archived = await found(deps)
    await projects.update(deps, Project(id="mine", description="yours", labels=common_pb2.Labels()))
    active = await found(deps)

    assert (archived.name, archived.description, archived.labels) == ("Mine", "ours", labels)
    assert archived.state == Project.ARCHIVED
    assert (active.description, active.state) == ("yours", Project.ACTIVE)
    assert not active.labels.values


async def test_an_unknown_project_is_not_found(deps: Dependencies) -> None:
    for call in (found(deps, "nosuch"), projects.update(deps, Project(id="nosuch"))):
        with pytest.raises(errors.NotFound, match=r"^project \[nosuch\] not found$"):
            await call


async def test_archived_projects_are_listed_only_on_request(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await projects.update(deps, Project(id="flytetester", state="ARCHIVED"))

    assert await listed(deps) == ["flyteexamples", "flytesnacks"]
    assert await listed(deps, filters="eq(state,1)") == ["flytetester"]
    assert await listed(deps, filters="contains(identifier,flyte)", limit=2) == ["flyteexamples", "flytesnacks"]


async def test_nothing_is_registered_in_an_archived_project(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await projects.update(deps, Project(id="flytesnacks", state="ARCHIVED"))

    with pytest.raises(errors.InvalidRequest, match=r"^project \[flytesnacks\] is not active$") as failure:
        await tasks.create(deps, requests.task())

    assert failure.value.details == (project_pb2.InactiveProject(id="flytesnacks"),)
