"""Set and list how long executions are kept."""

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from flytetemporal import errors
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.retention.models import RetentionPolicyRow
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.idl import times

# An interval of Postgres has no more.
LONGEST = timedelta(days=365 * 1000)


async def set_retention(
    deps: Dependencies, request: retention_pb2.SetRetentionRequest
) -> retention_pb2.SetRetentionResponse:
    """Set the policy of a project and domain, or remove it if it has no limit.

    Raises:
        InvalidRequest: the project or the domain does not exist, or a limit makes no sense.
    """
    if not request.HasField("policy"):
        raise validation.missing("policy")
    policy, row = request.policy, RetentionPolicyRow
    validation.check_names(policy, "project", "domain")
    validation.check_length(policy.updated_by, "updated_by", validation.MAX_NAME_LENGTH)
    await validation.check_project(deps, policy.project, active=False)
    validation.check_domain(deps, policy.domain)
    max_age = _max_age(policy)
    async with deps.sessions.begin() as session:
        if max_age is None and not policy.max_count:
            await session.execute(delete(row).where(row.project == policy.project, row.domain == policy.domain))
            return retention_pb2.SetRetentionResponse()
        values = {"max_age": max_age, "max_count": policy.max_count or None, "updated_by": policy.updated_by}
        added = insert(row).values(project=policy.project, domain=policy.domain, **values)
        # The time by name: SQLAlchemy's ``onupdate`` does not apply here.
        reset = {**values, "position": 0, "updated_at": func.now()}
        changed = added.on_conflict_do_update(index_elements=["project", "domain"], set_=reset)
        await session.execute(changed)
    return retention_pb2.SetRetentionResponse()


async def get_retention(
    deps: Dependencies, request: retention_pb2.GetRetentionRequest
) -> retention_pb2.GetRetentionResponse:
    """Return the policies of a project."""
    validation.check_names(request, "project")
    validation.check_length(request.domain, "domain", validation.MAX_NAME_LENGTH)
    row = RetentionPolicyRow
    query = select(row).where(row.project == request.project).order_by(row.domain)
    if request.domain:
        query = query.where(row.domain == request.domain)
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    return retention_pb2.GetRetentionResponse(policies=[_message(found) for found in rows])


def _max_age(policy: retention_pb2.RetentionPolicy) -> timedelta | None:
    if not policy.HasField("max_age"):
        return None
    age = policy.max_age
    if age.seconds < 1 or age.seconds > LONGEST.total_seconds():
        raise errors.InvalidRequest(f"max_age is {age.seconds} s; it must be from one second to 1,000 years")
    return timedelta(seconds=age.seconds)


def _message(row: RetentionPolicyRow) -> retention_pb2.RetentionPolicy:
    found = retention_pb2.RetentionPolicy(
        project=row.project,
        domain=row.domain,
        max_count=row.max_count or 0,
        updated_by=row.updated_by,
        updated_at=times.timestamp(row.updated_at),
    )
    if row.max_age is not None:
        found.max_age.CopyFrom(times.duration(row.max_age))
    return found
