"""Lists of artifacts."""

from sqlalchemy import Select, select

from flytetemporal.admin.artifacts import rows, values
from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base import stored_messages, validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.contracts.v1 import artifacts_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times

LISTED, MOST_LISTED = 100, 1000
_MOST_DIGITS = 18

Request = artifacts_pb2.ListArtifactsRequest
Response = artifacts_pb2.ListArtifactsResponse


async def list_artifacts(deps: Dependencies, request: Request) -> Response:
    """List the artifacts of a project and domain, newest first.

    Raises:
        InvalidRequest: the project or the domain is missing, or a partition, the token or the limit is malformed.
    """
    validation.check_names(request, "project", "domain")
    for field in ("name", "execution", "token"):
        validation.check_length(getattr(request, field), field, validation.MAX_NAME_LENGTH)
    if request.limit > MOST_LISTED:
        raise InvalidRequest(f"limit is {request.limit}; list at most {MOST_LISTED} artifacts at once")
    limit = request.limit or LISTED
    query = _query(request).order_by(NamedArtifactRow.id.desc()).limit(limit)
    async with deps.sessions() as session:
        found = (await session.scalars(query)).all()
    artifacts = stored_messages.readable(found, rows.message, lambda listed: Response(artifacts=listed))
    return Response(artifacts=artifacts, token=str(found[-1].id) if len(found) == limit else "")


def _query(request: Request) -> Select[NamedArtifactRow]:
    row = NamedArtifactRow
    query = select(row).where(row.project == request.project, row.domain == request.domain)
    if request.name:
        query = query.where(row.name == request.name)
    if request.version:
        query = query.where(row.version == request.version)
    if request.partitions:
        query = query.where(row.partitions.contains(_partitions(request)))
    if request.HasField("time"):
        query = query.where(rows.in_time_partition(times.moment(request.time)))
    if request.execution:
        query = query.where(
            row.execution_project == request.project,
            row.execution_domain == request.domain,
            row.execution_name == request.execution,
        )
    if request.token:
        if not (request.token.isascii() and request.token.isdigit() and len(request.token) <= _MOST_DIGITS):
            raise InvalidRequest("invalid value for token; use that of the page before, or none")
        query = query.where(row.id < int(request.token))
    return query


def _partitions(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in request.partitions:
        key, separator, value = one.partition("=")
        if not (key and separator and value):
            raise InvalidRequest(f"partition [{one[:100]}] is not of the form KEY=VALUE")
        validation.check_length(one, f"partition {key[:100]}", values.MAX_CHARACTERS)
        if found.setdefault(key, value) != value:
            raise InvalidRequest(f"partition [{key[:100]}] has two values; give one")
    return found
