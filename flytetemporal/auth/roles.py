"""Roles: which permissions each one has, and at which scope it can be bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from flytetemporal.errors import InvalidRequest


class Permission(StrEnum):
    """What a method needs of its caller."""

    READ = "read"
    """See entities, executions and their data."""
    LAUNCH = "launch"
    """Launch what is registered, and give executions what they wait for."""
    REGISTER = "register"
    """Register tasks, workflows and launch plans."""
    OPERATE = "operate"
    """Terminate, pause, edit and fork executions; schedule launch plans."""
    ADMINISTER = "administer"
    """Change the settings, the members and the retention of a project."""
    PLATFORM = "platform"
    """Change what belongs to no project."""
    AUDIT = "audit"
    """Read the audit log."""
    ENGINE = "engine"
    """Report events, and store cached outputs: workers do."""


class Role(StrEnum):
    """A set of permissions that is bound to subjects at a scope."""

    VIEWER = "viewer"
    LAUNCHER = "launcher"
    DEVELOPER = "developer"
    OPERATOR = "operator"
    PROJECT_ADMIN = "project_admin"
    PLATFORM_ADMIN = "platform_admin"
    AUDITOR = "auditor"
    ENGINE = "engine"


_P = Permission
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({_P.READ}),
    Role.LAUNCHER: frozenset({_P.READ, _P.LAUNCH}),
    Role.DEVELOPER: frozenset({_P.READ, _P.LAUNCH, _P.REGISTER}),
    Role.OPERATOR: frozenset({_P.READ, _P.LAUNCH, _P.OPERATE}),
    Role.PROJECT_ADMIN: frozenset({_P.READ, _P.LAUNCH, _P.REGISTER, _P.OPERATE, _P.ADMINISTER}),
    # Not ENGINE: an administrator who could report events could forge the results of executions.
    Role.PLATFORM_ADMIN: frozenset(_P) - {_P.ENGINE},
    Role.AUDITOR: frozenset({_P.AUDIT}),
    Role.ENGINE: frozenset({_P.READ, _P.LAUNCH, _P.OPERATE, _P.ENGINE}),
}
PLATFORM_ONLY = frozenset({Role.PLATFORM_ADMIN, Role.ENGINE})


class SubjectKind(StrEnum):
    """What a role is bound to."""

    USER = "user"
    """The subject of a user's identity, or the email address that its issuer has verified."""
    GROUP = "group"
    """A group of the identity token."""
    SERVICE = "service"
    """The subject or the client id of a program."""
    KEY = "key"
    """The id of an API key."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a role is bound to."""

    kind: SubjectKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the subject of a text such as ``user:ada``.

        Raises:
            InvalidRequest: the kind is unknown, or there is no name.
        """
        kind, _, name = text.partition(":")
        known = {found.value: found for found in SubjectKind}
        if kind not in known or not name:
            raise InvalidRequest(f"subject [{text}] is none of {', '.join(f'{found}:NAME' for found in known)}")
        return cls(known[kind], name)


@dataclass(frozen=True, slots=True)
class Scope:
    """The whole platform, a project, or a domain of a project.

    As the scope of a request, ``any_domain`` stands for the part of a project that all see who see one of its domains.
    """

    project: str = ""
    domain: str = ""
    any_domain: bool = False

    def covers(self, other: "Scope") -> bool:
        """Whether a role that is bound here applies to ``other``."""
        if not self.project:
            return True
        if self.project != other.project:
            return False
        return not self.domain or other.any_domain or self.domain == other.domain

    def __str__(self) -> str:
        if not self.project:
            return "the platform"
        if not self.domain:
            return f"project [{self.project}]"
        return f"project [{self.project}], domain [{self.domain}]"


@dataclass(frozen=True, slots=True)
class Binding:
    """A role of a subject at a scope."""

    subject: Subject
    role: Role
    scope: Scope = Scope()


def role(text: str) -> Role:
    """Return the role of a name. Raises ``InvalidRequest`` if there is none."""
    known = {found.value: found for found in Role}
    if text not in known:
        raise InvalidRequest(f"role [{text}] is unknown; the roles are {', '.join(known)}")
    return known[text]


def with_permission(permission: Permission) -> list[Role]:
    """Return the roles that have a permission."""
    return [found for found, permissions in PERMISSIONS.items() if permission in permissions]
