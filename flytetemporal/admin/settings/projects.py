"""Projects and domains."""

from functools import partial

from flyteidl.admin import common_pb2, project_pb2
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.admin.access import readable
from flytetemporal.admin.base import kubernetes_labels, list_requests, list_schemas, stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import ProjectRow

NAME_LENGTH = 64
DESCRIPTION_LENGTH = 300


async def register(
    deps: Dependencies, request: project_pb2.ProjectRegisterRequest
) -> project_pb2.ProjectRegisterResponse:
    """Register a project.

    Raises:
        AlreadyExists: the id is taken.
        FailedPrecondition: a project of this id is being deleted.
    """
    if not request.HasField("project"):
        raise validation.missing("project")
    project = request.project
    _check(project)
    if not project.name:
        raise validation.missing("project_name")
    if not await _insert(deps, project):
        async with deps.sessions() as session:
            _refuse_deleted(await session.get(ProjectRow, project.id))
        raise errors.AlreadyExists(
            'value with matching already exists (duplicate key value violates unique constraint "projects_pkey")'
        )
    return project_pb2.ProjectRegisterResponse()


async def update(deps: Dependencies, request: project_pb2.Project) -> project_pb2.ProjectUpdateResponse:
    """Change a project. As in Flyte, an empty field leaves the old value, but the state is always written.

    Raises:
        NotFound: the project does not exist.
        FailedPrecondition: it is being deleted.
    """
    async with deps.sessions.begin() as session:
        row = await session.get(ProjectRow, request.id, with_for_update=True)
        # As in Flyte, an unknown project is reported before wrong fields.
        if row is None:
            raise unknown(request.id)
        _refuse_deleted(row)
        _check(request)
        row.name = request.name or row.name
        row.description = request.description or row.description
        row.state = request.state
        if request.HasField("labels"):
            row.labels = request.labels.SerializeToString()
    return project_pb2.ProjectUpdateResponse()


async def get(deps: Dependencies, request: project_pb2.ProjectGetRequest) -> project_pb2.Project:
    """Return a project."""
    validation.check_length(request.id, "project_id", validation.MAX_NAME_LENGTH)
    async with deps.sessions() as session:
        row = await session.get(ProjectRow, request.id)
    if row is None:
        raise unknown(request.id)
    return _message(deps, row)


async def list_projects(deps: Dependencies, request: project_pb2.ProjectListRequest) -> project_pb2.Projects:
    """List projects. Without filters, archived projects are left out. A limit of 0 means all rows."""
    page = list_requests.page(request, list_schemas.PROJECT, "ListProjects", unlimited=True)
    query = select(ProjectRow)
    if not request.filters:
        query = query.where(ProjectRow.state != project_pb2.Project.ARCHIVED)
    query = query.where(readable.projects(ProjectRow.identifier))
    async with deps.sessions() as session:
        rows = (await session.scalars(page.apply(query))).all()
    found = stored_messages.readable(
        rows, partial(_message, deps), lambda listed: project_pb2.Projects(projects=listed)
    )
    return project_pb2.Projects(projects=found, token=page.next_token(rows))


async def get_domains(deps: Dependencies, _: project_pb2.GetDomainRequest) -> project_pb2.GetDomainsResponse:
    """Return the configured domains."""
    return project_pb2.GetDomainsResponse(domains=_domains(deps))


async def register_defaults(deps: Dependencies) -> None:
    """Register the configured projects that do not exist; existing projects stay as they are."""
    for identifier in deps.settings.projects:
        await _insert(
            deps, project_pb2.Project(id=identifier, name=identifier, description=f"{identifier} description")
        )


def unknown(identifier: str) -> errors.NotFound:
    """Return the error of a project that does not exist."""
    return errors.NotFound(f"project [{identifier}] not found")


async def _insert(deps: Dependencies, project: project_pb2.Project) -> bool:
    statement = postgresql.insert(ProjectRow).values(
        identifier=project.id,
        name=project.name,
        description=project.description,
        labels=project.labels.SerializeToString() if project.HasField("labels") else None,
        state=project.state,
    )
    # Several replicas register the default projects when they start, so a taken id is no error here.
    async with deps.sessions.begin() as session:
        inserted = await session.execute(statement.on_conflict_do_nothing().returning(ProjectRow.id))
        return inserted.scalar_one_or_none() is not None


def _check(project: project_pb2.Project) -> None:
    if not project.id:
        raise validation.missing("project_id")
    kubernetes_labels.check_project_id(project.id)
    validation.check_length(project.name, "project_name", NAME_LENGTH)
    validation.check_length(project.description, "project_description", DESCRIPTION_LENGTH)
    validation.check_labels(project.labels)
    if project.domains:
        raise errors.InvalidRequest(
            "Domains are currently only set system wide. Please retry without domains included in your request."
        )
    if project.state not in project_pb2.Project.ProjectState.values():
        raise validation.invalid("state")


def _refuse_deleted(row: ProjectRow | None) -> None:
    if row is not None and row.deleted_at is not None:
        raise errors.FailedPrecondition(
            f"project {row.identifier} is being deleted: `flytetemporal retention log -p {row.identifier}` shows when "
            "that is finished"
        )


def _domains(deps: Dependencies) -> list[project_pb2.Domain]:
    return [project_pb2.Domain(id=domain, name=domain) for domain in deps.settings.domains]


def _message(deps: Dependencies, row: ProjectRow) -> project_pb2.Project:
    project = project_pb2.Project(
        id=row.identifier,
        name=row.name,
        domains=_domains(deps),
        description=row.description,
        state=project_pb2.Project.ProjectState.Name(row.state),
    )
    if row.labels is not None:
        project.labels.CopyFrom(stored_messages.parse(common_pb2.Labels, row.labels))
    return project
