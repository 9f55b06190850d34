"""What HTTP routes that are no methods need of their caller. A route without a rule does not start."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.auth.rules import Door

_DOMAIN = ("project", "domain")


@dataclass(frozen=True, slots=True)
class RouteRule:
    """What it needs. ``scope`` names the parameters of its path that are project and domain; none: the platform."""

    permission: Permission | None = None
    scope: tuple[str, str] | tuple[()] = ()
    door: Door = Door.SIGNED_IN
    note: str = ""
    # Whether each request is an attempt to sign in, which the audit log has.
    signs_in: bool = False

    def wanted(self, parameters: Mapping[str, str]) -> Iterator[tuple[Permission, Scope]]:
        """Yield the permission that a request needs, with its scope."""
        if self.permission is not None:
            project, domain = (parameters[name] for name in self.scope) if self.scope else ("", "")
            yield self.permission, Scope(project, domain)


def _open(note: str) -> RouteRule:
    return RouteRule(door=Door.ANYBODY, note=note)


_SIGNED_LINK = _open("the link is signed for one object, one verb and a time")
_SIGN_IN = _open("is how one signs in; it checks what it is given itself")
_ATTEMPT = replace(_SIGN_IN, signs_in=True)
_REDIRECT = _open("redirects to a page that asks for sign-in itself, whether or not what it names exists")

ROUTES: Mapping[str, RouteRule] = {
    "GET /healthcheck": _open("tells only that the process runs"),
    "GET /healthz": _open("tells only that the process runs"),
    "GET /metrics": _open("counts calls by method; let only the scraper reach it"),
    "GET /api/v1/openapi": _open("the description of the API"),
    "PUT /files/{path:path}": _SIGNED_LINK,
    "GET /files/{path:path}": _SIGNED_LINK,
    "GET /logs/{project}/{domain}/{name}/{node_id}/{attempt:int}": RouteRule(Permission.READ, _DOMAIN),
    "GET /console/projects/{project}/domains/{domain}/executions/{name}": _REDIRECT,
    "GET /console/projects/{project}/domains/{domain}/executions/{name}/nodeId/{node_id}/nodes": _REDIRECT,
    "GET /console/projects/{project}/domains/{domain}/{kind}/{name}/version/{version:path}": _REDIRECT,
    "GET /.well-known/oauth-authorization-server": _SIGN_IN,
    "GET /oauth2/jwks": _SIGN_IN,
    "GET /oauth2/authorize": _SIGN_IN,
    "POST /oauth2/token": _ATTEMPT,
    "POST /oauth2/device_authorization": _SIGN_IN,
    "GET /oauth2/device": _SIGN_IN,
    "POST /oauth2/device": _SIGN_IN,
    "GET /login": _SIGN_IN,
    "POST /login": _ATTEMPT,
    "GET /logout": _SIGN_IN,
    "GET /callback": _ATTEMPT,
    "GET /.well-known/openid-configuration": _open("leads to the description of the identity provider"),
    # Payloads of Temporal can be of any project.
    "POST /codec/decode": RouteRule(Permission.PLATFORM),
    "POST /codec/encode": RouteRule(Permission.PLATFORM),
    "POST /api/v1/triggers/{project}/{domain}/{launch_plan:path}/{trigger}": _open(
        "the key of the trigger signs the body"
    ),
}
"""Of a route with several verbs, GET, or else the only one, names the rule."""
