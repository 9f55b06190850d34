"""What the current call may do, for handlers that have to look beyond the fields of the request."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

from flytetemporal.auth import roles
from flytetemporal.auth.identity import Identity, Kind
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.errors import PermissionDenied


@dataclass(frozen=True, slots=True)
class Access:
    """The rights of an identity."""

    identity: Identity
    policies: Policies

    def allows(self, permission: Permission, scope: Scope) -> bool:
        """Whether the identity has a permission at a scope."""
        return self.policies.allows(self.identity, permission, scope)

    def require(self, permission: Permission, scope: Scope) -> None:
        """Check that the identity has a permission at a scope.

        Raises:
            PermissionDenied: it has not. The text is the same whether or not what the scope names exists.
        """
        if not self.allows(permission, scope):
            raise PermissionDenied(_problem(self.identity, permission, scope))


_current: ContextVar[Access | None] = ContextVar("access", default=None)


def require(permission: Permission, scope: Scope) -> None:
    """Check that the current call may do something; without sign-in every call may.

    Raises:
        PermissionDenied: it may not.
    """
    if (found := _current.get()) is not None:
        found.require(permission, scope)


def allows(permission: Permission, scope: Scope) -> bool:
    """Whether the current call has a permission at a scope."""
    found = _current.get()
    return found is None or found.allows(permission, scope)


def problem(permission: Permission, scope: Scope) -> str:
    """Return why the current call lacks a permission at a scope; empty if it has it."""
    found = _current.get()
    if found is None or found.allows(permission, scope):
        return ""
    return _problem(found.identity, permission, scope)


def readable() -> list[Scope]:
    """Return the scopes that the current call may read; that of the platform contains all others."""
    found = _current.get()
    return [Scope()] if found is None else found.policies.scopes(found.identity, Permission.READ)


@contextlib.contextmanager
def of(access: Access | None) -> Iterator[None]:
    """Let ``access`` be the rights of the current call within the context."""
    token = _current.set(access)
    try:
        yield
    finally:
        _current.reset(token)


def _problem(identity: Identity, permission: Permission, scope: Scope) -> str:
    names = [str(role) for role in roles.with_permission(permission) if role is not roles.Role.ENGINE]
    who = identity.email or identity.name or identity.subject
    limited = " within the limits of its credential" if identity.restriction and identity.kind is not Kind.TASK else ""
    needed = f"one of the roles {', '.join(names)}" if len(names) > 1 else f"the role {(names or ['engine'])[0]}"
    contact = "an administrator of the platform" if not scope.project else "an administrator of the project"
    return f"[{who}] lacks the permission to {permission} on {scope}{limited}: it needs {needed} there; ask {contact}"
