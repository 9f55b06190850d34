"""Policies: how old cached outputs may be that are used.

A policy applies at the lookup: an artifact that is too old is removed and NOT_FOUND, so that the run that looked for it
stores another one. ``expiry`` removes those that nobody looks for.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, delete, or_, select
from sqlalchemy.dialects import postgresql

from flytetemporal import errors
from flytetemporal.catalog import scopes
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, PolicyRow
from flytetemporal.contracts.v1 import cache_operations_pb2 as operations
from flytetemporal.idl import times

_KEY = ("project", "domain", "name", "task_version")
# A hundred years. Postgres has no larger dates than Python by far, but sums must stay in range of both.
_LONGEST = timedelta(days=36_500)


async def set_policy(deps: Catalog, request: operations.SetPolicyRequest) -> operations.SetPolicyResponse:
    """Create a policy, or replace that of the same scope. Raises ``NotFound`` if it is of what does not exist."""
    policy = request.policy
    if not request.HasField("policy"):
        raise errors.InvalidRequest("missing policy")
    _check(policy.scope, given=policy.HasField("scope"))
    max_age = _max_age(policy)
    await scopes.check_names(deps, policy.scope)
    statement = postgresql.insert(PolicyRow).values(**_key(policy.scope), max_age=max_age)
    async with deps.sessions.begin() as session:
        await session.execute(statement.on_conflict_do_update(index_elements=_KEY, set_={"max_age": max_age}))
    return operations.SetPolicyResponse()


async def delete_policy(deps: Catalog, request: operations.DeletePolicyRequest) -> operations.DeletePolicyResponse:
    """Delete the policy of a scope, if there is one."""
    _check(request.scope, given=request.HasField("scope"))
    async with deps.sessions.begin() as session:
        await session.execute(delete(PolicyRow).filter_by(**_key(request.scope)))
    return operations.DeletePolicyResponse()


async def list_policies(deps: Catalog, request: operations.ListPoliciesRequest) -> operations.ListPoliciesResponse:
    """List the policies of a project, or of all projects, from the least specific one on."""
    query = select(PolicyRow).order_by(PolicyRow.project, PolicyRow.domain, PolicyRow.name, PolicyRow.task_version)
    if request.project:
        query = query.where(PolicyRow.project == request.project)
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    return operations.ListPoliciesResponse(policies=[_message(row) for row in rows])


def max_age() -> ScalarSelect[timedelta]:
    """Return the subquery of the age at which an artifact expires; it is null if no policy applies."""
    given = (
        (PolicyRow.domain, DatasetRow.domain),
        (PolicyRow.name, DatasetRow.name),
        (PolicyRow.task_version, scopes.version()),
    )
    applies = (or_(policy == "", policy == value) for policy, value in given)
    specific = ((column != "").desc() for column, _ in reversed(given))
    query = select(PolicyRow.max_age).where(PolicyRow.project == DatasetRow.project, *applies)
    return query.order_by(*specific).limit(1).correlate(ArtifactRow, DatasetRow).scalar_subquery()


def expires_at() -> ColumnElement[datetime]:
    """Return when an artifact expires; it is null if no policy applies. Overwriting an artifact makes it new."""
    return ArtifactRow.updated_at + max_age()


def _check(scope: scopes.Scope, *, given: bool) -> None:
    scopes.check(scope, given=given)
    if scope.execution:
        raise errors.InvalidRequest("invalid value for scope.execution: a policy is about tasks, not about executions")


def _max_age(policy: operations.CachePolicy) -> timedelta:
    try:
        found = policy.max_age.ToTimedelta()
    except (ValueError, OverflowError):
        found = timedelta.max
    if not timedelta(0) < found <= _LONGEST:
        raise errors.InvalidRequest(f"invalid value for policy.max_age: from 1 microsecond to {_LONGEST.days} days")
    return found


def _key(scope: scopes.Scope) -> dict[str, str]:
    values = (scope.project, scope.domain, scopes.dataset_name(scope.task), scope.task_version)
    return dict(zip(_KEY, values, strict=True))


def _message(row: PolicyRow) -> operations.CachePolicy:
    scope = scopes.Scope(
        project=row.project, domain=row.domain, task=scopes.task_name(row.name), task_version=row.task_version
    )
    return operations.CachePolicy(scope=scope, max_age=times.duration(row.max_age))
