"""Grant, revoke, list and apply roles."""

from collections.abc import Iterable

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import Insert, insert

from flytetemporal.admin.access import loading
from flytetemporal.admin.access.models import AccessBindingRow
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.auth import access
from flytetemporal.auth import identity as identities
from flytetemporal.auth.roles import PERMISSIONS, PLATFORM_ONLY, Permission, Role, Scope, Subject, role
from flytetemporal.contracts.v1 import access_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import times

MOST = 10_000
_Row = AccessBindingRow
_Key = tuple[str, str, str, str]


async def grant(deps: Dependencies, request: access_pb2.GrantRequest) -> access_pb2.GrantResponse:
    """Give a subject a role.

    Raises:
        InvalidRequest: the subject, the role, the project or the domain does not exist or makes no sense.
        PermissionDenied: the caller lacks a permission of the role, and nobody gives what they do not have.
    """
    key = await _checked(deps, request.binding)
    _check_giver(key)
    async with deps.sessions.begin() as session:
        await session.execute(_inserted([key], source=""))
        await loading.changed(session)
    return access_pb2.GrantResponse()


async def revoke(deps: Dependencies, request: access_pb2.RevokeRequest) -> access_pb2.RevokeResponse:
    """Take a role away that was granted. What a source has given, the source takes away.

    Raises:
        InvalidRequest: the subject or the role makes no sense, or a source gives the role.
    """
    key = _key(request.binding)
    _check_giver(key)
    async with deps.sessions.begin() as session:
        of_key = select(_Row.source).where(tuple_(_Row.subject, _Row.role, _Row.project, _Row.domain) == key)
        sources = set(await session.scalars(of_key))
        if sources and "" not in sources:
            raise InvalidRequest(f"the role comes from [{min(sources)}]: remove it there, and apply that again")
        granted = delete(_Row).where(
            tuple_(_Row.subject, _Row.role, _Row.project, _Row.domain) == key, _Row.source == ""
        )
        await session.execute(granted)
        await loading.changed(session)
    return access_pb2.RevokeResponse(revoked="" in sources)


async def list_bindings(deps: Dependencies, request: access_pb2.ListBindingsRequest) -> access_pb2.ListBindingsResponse:
    """List the roles within a scope."""
    query = select(_Row).order_by(_Row.project, _Row.domain, _Row.subject, _Row.role, _Row.source).limit(MOST)
    for column, wanted in (
        (_Row.project, request.project), (_Row.domain, request.domain), (_Row.subject, request.subject),
    ):  # fmt: skip
        if wanted:
            query = query.where(column == wanted)
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    return access_pb2.ListBindingsResponse(bindings=[_message(row) for row in rows])


async def apply_bindings(
    deps: Dependencies, request: access_pb2.ApplyBindingsRequest
) -> access_pb2.ApplyBindingsResponse:
    """Replace the bindings of a source.

    Raises:
        InvalidRequest: there is no source, or a binding makes no sense; nothing is changed then.
    """
    validation.check_present(request, "source")
    validation.check_length(request.source, "source", validation.MAX_NAME_LENGTH)
    if len(request.bindings) > MOST:
        raise InvalidRequest(f"{len(request.bindings)} bindings are more than {MOST}; bind groups instead of users")
    wanted = {await _checked(deps, binding) for binding in request.bindings}
    async with deps.sessions.begin() as session:
        await loading.changed(session)  # First: two that apply at once wait here for each other.
        rows = (await session.scalars(select(_Row).where(_Row.source == request.source))).all()
        known = {(row.subject, row.role, row.project, row.domain): row for row in rows}
        for key in known.keys() - wanted:
            await session.delete(known[key])
        if added := sorted(wanted - known.keys()):
            await session.execute(_inserted(added, request.source))
    return access_pb2.ApplyBindingsResponse(added=len(wanted - known.keys()), removed=len(known.keys() - wanted))


async def can_i(_: Dependencies, request: access_pb2.CanIRequest) -> access_pb2.CanIResponse:
    """Return whether the caller has a permission. Raises ``InvalidRequest`` for one that does not exist."""
    known = {found.value: found for found in Permission}
    if request.permission not in known:
        raise InvalidRequest(f"permission [{request.permission}] is unknown; they are {', '.join(known)}")
    reason = access.problem(known[request.permission], Scope(request.project, request.domain))
    return access_pb2.CanIResponse(allowed=not reason, reason=reason)


async def _checked(deps: Dependencies, binding: access_pb2.RoleBinding) -> _Key:
    key = _key(binding)
    if binding.project:
        await validation.check_project(deps, binding.project, active=False)
    if binding.domain:
        validation.check_domain(deps, binding.domain)
    return key


def _key(binding: access_pb2.RoleBinding) -> _Key:
    subject, found = Subject.parse(binding.subject), role(binding.role)
    validation.check_length(binding.subject, "subject", validation.MAX_NAME_LENGTH)
    if not str(subject).isprintable():
        raise InvalidRequest("invalid subject: it has characters that cannot be shown")
    if binding.domain and not binding.project:
        raise InvalidRequest("missing project: a role is bound to a domain of a project, a project or the platform")
    if binding.project and found in PLATFORM_ONLY:
        raise InvalidRequest(f"role {found} is bound to the platform only; leave project and domain out")
    return binding.subject, found.value, binding.project, binding.domain


def _check_giver(key: _Key) -> None:
    """Check that who gives or takes a role has all of its permissions, or administers the platform."""
    _, name, project, domain = key
    if access.allows(Permission.PLATFORM, Scope()):
        return
    # What a role of the platform allows goes beyond its scope, so it does not come from administrators of projects.
    if Role(name) in PLATFORM_ONLY:
        access.require(Permission.PLATFORM, Scope())
    for permission in sorted(PERMISSIONS[Role(name)]):
        access.require(permission, Scope(project, domain))


def _inserted(keys: Iterable[_Key], source: str) -> Insert:
    caller = identities.current()
    names = ("subject", "role", "project", "domain")
    given = {"source": source, "granted_by": caller.subject if caller else ""}
    return insert(_Row).values([dict(zip(names, key, strict=True)) | given for key in keys]).on_conflict_do_nothing()


def _message(row: AccessBindingRow) -> access_pb2.RoleBinding:
    return access_pb2.RoleBinding(
        subject=row.subject,
        role=row.role,
        project=row.project,
        domain=row.domain,
        granted_by=row.granted_by,
        granted_at=times.timestamp(row.granted_at),
        source=row.source,
    )
