"""Who has which role: the bindings, in memory, and what follows from them for an identity."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flytetemporal.auth.identity import Credential, Identity, Kind
from flytetemporal.auth.roles import PERMISSIONS, Binding, Permission, Role, Scope, Subject, SubjectKind


class Policies:
    """The bindings that apply. Admin replaces them when they change in the database; readers never wait for that."""

    def __init__(self, fixed: Iterable[Binding] = ()) -> None:
        """``fixed`` are those of the settings, which are always there."""
        self._fixed = tuple(fixed)
        self._by_subject: Mapping[Subject, Sequence[Binding]] = {}
        self.replace(())

    def replace(self, bindings: Iterable[Binding]) -> None:
        """Let these bindings apply, and the fixed ones."""
        by_subject: dict[Subject, list[Binding]] = defaultdict(list)
        for binding in (*self._fixed, *bindings):
            by_subject[binding.subject].append(binding)
        self._by_subject = dict(by_subject)

    def allows(self, identity: Identity, permission: Permission, scope: Scope) -> bool:
        """Whether an identity has a permission at a scope."""
        return any(found.covers(scope) for found in self.scopes(identity, permission))

    def scopes(self, identity: Identity, permission: Permission) -> list[Scope]:
        """Return the scopes at which an identity has a permission; what is outside of its restriction is left out."""
        limit = identity.restriction
        if limit is None:
            return [binding.scope for binding in self._of(identity) if permission in PERMISSIONS[binding.role]]
        if limit.role and permission not in PERMISSIONS[Role(limit.role)]:
            return []
        most = Scope(limit.project, limit.domain)
        if identity.kind is Kind.TASK:
            # Its token is made for one execution, and says what the execution may do.
            return [most]
        granted = [binding.scope for binding in self._of(identity) if permission in PERMISSIONS[binding.role]]
        return [found for scope in granted if (found := _narrower(scope, most)) is not None]

    def _of(self, identity: Identity) -> Iterator[Binding]:
        for subject in _subjects(identity):
            yield from self._by_subject.get(subject, ())


def _subjects(identity: Identity) -> Iterator[Subject]:
    """Yield every subject whose bindings apply to an identity. A task without a restriction has no rights."""
    match identity.kind:
        case Kind.USER:
            names = {identity.subject, identity.email} - {""}
            yield from (Subject(SubjectKind.USER, name) for name in names)
        case Kind.SERVICE:
            names = {identity.subject, identity.client_id} - {""}
            yield from (Subject(SubjectKind.SERVICE, name) for name in names)
        case Kind.TASK:
            return
    yield from (Subject(SubjectKind.GROUP, group) for group in identity.groups)
    if identity.credential is Credential.API_KEY:
        yield Subject(SubjectKind.KEY, identity.credential_id)


def _narrower(one: Scope, other: Scope) -> Scope | None:
    """Return what two scopes have in common; None if that is nothing."""
    if one.covers(other):
        return other
    return one if other.covers(one) else None
