"""Make, list and revoke API keys."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from flytetemporal.admin.access import loading
from flytetemporal.admin.access.models import AccessKeyRow
from flytetemporal.admin.base import validation
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.auth import access, api_keys
from flytetemporal.auth import identity as identities
from flytetemporal.auth.identity import Credential, Kind, Restriction
from flytetemporal.auth.roles import Permission, Scope, Subject, SubjectKind, role
from flytetemporal.contracts.v1 import access_pb2
from flytetemporal.errors import AlreadyExists, InvalidRequest, NotFound, PermissionDenied
from flytetemporal.idl import times

MOST = 10_000
USUAL = timedelta(days=90)
_Row = AccessKeyRow


async def create(deps: Dependencies, request: access_pb2.CreateKeyRequest) -> access_pb2.CreateKeyResponse:
    """Make a key that acts as its owner within limits.

    Raises:
        InvalidRequest: a limit or the owner makes no sense.
        PermissionDenied: the caller is itself limited, or makes a key for another one.
        AlreadyExists: the owner has a key of this name that is not revoked.
    """
    owner = _owner(request)
    await _check(deps, request)
    key_id, secret = api_keys.made()
    row = AccessKeyRow(
        id=key_id,
        secret_hash=api_keys.hashed(secret),
        name=request.name,
        owner=str(owner),
        role=request.role,
        project=request.project,
        domain=request.domain,
        expires_at=datetime.now(UTC) + _lifetime(deps, request),
    )
    try:
        async with deps.sessions.begin() as session:
            session.add(row)
            await session.flush()
            await session.refresh(row)
            await loading.changed(session)
    except IntegrityError as e:
        raise AlreadyExists(
            f"{owner} has an API key named [{request.name}]: choose another name, or revoke that key first"
        ) from e
    return access_pb2.CreateKeyResponse(key=_message(row), secret=secret)


async def list_keys(deps: Dependencies, request: access_pb2.ListKeysRequest) -> access_pb2.ListKeysResponse:
    """List the keys of the caller, or of everybody. Raises ``PermissionDenied`` if all may not be seen."""
    query = select(_Row).order_by(_Row.created_at.desc(), _Row.id).limit(MOST)
    if request.all:
        access.require(Permission.PLATFORM, Scope())
    elif (caller := _caller()) is not None:
        query = query.where(_Row.owner == str(caller))
    async with deps.sessions() as session:
        rows = (await session.scalars(query)).all()
    return access_pb2.ListKeysResponse(keys=[_message(row) for row in rows])


async def revoke(deps: Dependencies, request: access_pb2.RevokeKeyRequest) -> access_pb2.RevokeKeyResponse:
    """Revoke a key of the caller, or of anybody for administrators of the platform.

    Raises:
        NotFound: there is no such key, or it is somebody else's.
        PermissionDenied: the caller is itself limited, and the key is another one than it signed in with.
    """
    validation.check_present(request, "id")
    validation.check_length(request.id, "id", validation.MAX_NAME_LENGTH)
    _check_revoker(request)
    query = update(_Row).where(_Row.id == request.id)
    if (caller := _caller()) is not None and not access.allows(Permission.PLATFORM, Scope()):
        query = query.where(_Row.owner == str(caller))
    # The first time stays: revoking it again changes nothing.
    query = query.values(revoked_at=func.coalesce(_Row.revoked_at, func.now()))
    async with deps.sessions.begin() as session:
        found = await session.scalar(query.returning(_Row.id))
        if found is None:
            raise NotFound(f"you have no API key [{request.id}]; list yours with: flytetemporal access keys list")
        await loading.changed(session)
    return access_pb2.RevokeKeyResponse()


def _check_revoker(request: access_pb2.RevokeKeyRequest) -> None:
    """Check that a credential which is limited revokes no other one: a leaked key could otherwise stop its owner."""
    identity = identities.current()
    if identity is None or identity.restriction in (None, Restriction()):
        return
    if identity.credential is not Credential.API_KEY or identity.credential_id != request.id:
        raise PermissionDenied("a credential that is itself limited revokes no other API keys; sign in as the owner")


def _caller() -> Subject | None:
    """Return the subject that owns the caller's keys; None without sign-in."""
    caller = identities.current()
    if caller is None:
        return None
    return Subject(SubjectKind.SERVICE if caller.kind is Kind.SERVICE else SubjectKind.USER, caller.subject)


def _owner(request: access_pb2.CreateKeyRequest) -> Subject:
    identity, caller = identities.current(), _caller()
    # A key that is limited could otherwise make one that is not.
    if identity is not None and (identity.restriction or identity.credential is Credential.API_KEY):
        raise PermissionDenied("a credential that is itself limited makes no API keys; sign in as the owner")
    if not request.owner:
        if caller is None:
            raise InvalidRequest("missing owner: without sign-in a key needs one, such as service:ci")
        return caller
    owner = Subject.parse(request.owner)
    if owner.kind not in (SubjectKind.USER, SubjectKind.SERVICE):
        raise InvalidRequest(f"owner [{owner}] is neither a user nor a service")
    if owner != caller:
        access.require(Permission.PLATFORM, Scope())
    return owner


async def _check(deps: Dependencies, request: access_pb2.CreateKeyRequest) -> None:
    validation.check_present(request, "name")
    for name in ("name", "owner"):
        validation.check_length(getattr(request, name), name, validation.MAX_NAME_LENGTH)
    if not request.name.isprintable():
        raise InvalidRequest("invalid name: it has characters that cannot be shown")
    if request.role:
        role(request.role)
    if request.domain and not request.project:
        raise InvalidRequest("missing project: a key is limited to a domain of a project, or to a project")
    # Everybody can make keys: whether a project exists is said to those who may read it.
    if request.project and access.allows(Permission.READ, Scope(request.project, any_domain=True)):
        await validation.check_project(deps, request.project, active=False)
    if request.domain:
        validation.check_domain(deps, request.domain)


def _lifetime(deps: Dependencies, request: access_pb2.CreateKeyRequest) -> timedelta:
    most = deps.auth.api_keys.max_age
    if not request.HasField("expires_in"):
        return min(USUAL, most)
    seconds = request.expires_in.seconds
    if not 1 <= seconds <= most.total_seconds():
        raise InvalidRequest(f"expires_in is {seconds} s; it must be from one second to {most.days} days")
    return timedelta(seconds=seconds)


def _message(row: AccessKeyRow) -> access_pb2.ApiKey:
    found = access_pb2.ApiKey(
        id=row.id,
        name=row.name,
        owner=row.owner,
        role=row.role,
        project=row.project,
        domain=row.domain,
        created_at=times.timestamp(row.created_at),
        expires_at=times.timestamp(row.expires_at),
    )
    if row.revoked_at is not None:
        found.revoked_at.CopyFrom(times.timestamp(row.revoked_at))
    return found
