"""The guard of a server process, and the roles that its settings give."""

from collections.abc import Sequence

from starlette.routing import Route

from flytetemporal.auth import routes, rules
from flytetemporal.auth.api_keys import ApiKeys
from flytetemporal.auth.audit import AuditLog
from flytetemporal.auth.authentication import Chain
from flytetemporal.auth.guard import SignInGuard
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.roles import Binding, Role, Subject
from flytetemporal.cli.wiring.sign_in import authenticators
from flytetemporal.cli.wiring.sign_in.oidc import OpenIdSignIn
from flytetemporal.cli.wiring.sign_in.own_server import OwnSignIn
from flytetemporal.config.auth import AuthSettings
from flytetemporal.rpc import callers
from flytetemporal.rpc.callers import OPEN, Guard
from flytetemporal.rpc.methods import Method


def policies(settings: AuthSettings) -> Policies:
    """Return the policies with the roles that the settings give.

    Raises:
        InvalidRequest: a subject is malformed.
    """
    given = ((Role.PLATFORM_ADMIN, settings.platform_admins), (Role.ENGINE, settings.engines))
    return Policies(Binding(Subject.parse(text), role) for role, subjects in given for text in subjects)


def check(methods: Sequence[Method], extra_routes: Sequence[Route] = ()) -> None:
    """Check that every method and route has a rule. Raises ``TypeError`` with the names of those without."""
    rules.check_complete(method.path for method in methods)
    rules.check_complete((callers.route_name(route) for route in extra_routes), routes.ROUTES)


def guard(
    settings: AuthSettings,
    known: Policies,
    keys: ApiKeys,
    log: AuditLog,
    own: OwnSignIn | None = None,
    openid: OpenIdSignIn | None = None,
) -> Guard:
    """Return the guard that the settings ask for: one that serves every call unless a kind of sign-in is on."""
    if not settings.required:
        return OPEN
    chain = Chain(authenticators.authenticators(settings, keys, own, openid))
    return SignInGuard(chain, known, log, settings.requests_per_second)
