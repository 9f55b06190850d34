"""The guard of all methods and routes: who calls, and may they? Once per call, for gRPC and HTTP alike."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from google.protobuf.message import Message

from flytetemporal.auth import access
from flytetemporal.auth import identity as identities
from flytetemporal.auth.access import Access
from flytetemporal.auth.authentication import Chain
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.auth.routes import ROUTES
from flytetemporal.auth.rules import RULES, Door
from flytetemporal.rpc.callers import Presented
from flytetemporal.rpc.methods import Method


class SignInGuard:
    """Serves those that have signed in what their roles allow."""

    def __init__(self, chain: Chain, policies: Policies) -> None:
        self._chain = chain
        self._policies = policies

    @contextlib.asynccontextmanager
    async def admitting(self, method: Method, request: Message, presented: Presented) -> AsyncIterator[None]:
        """Let a method run with the rights of its caller.

        Raises:
            Unauthenticated: who calls is not known.
            PermissionDenied: the caller lacks a permission that the method needs for this request.
        """
        rule = RULES[method.path]
        granted = await self._granted(rule.door, rule.wanted(request), presented)
        with _acting_with(granted):
            yield

    @contextlib.asynccontextmanager
    async def admitting_route(
        self, route: str, parameters: Mapping[str, str], presented: Presented
    ) -> AsyncIterator[None]:
        """Let an HTTP route that is no method run with the rights of its caller; it raises like ``admitting``."""
        rule = ROUTES[route]
        granted = await self._granted(rule.door, rule.wanted(parameters), presented)
        with _acting_with(granted):
            yield

    async def _granted(
        self, door: Door, wanted: Iterable[tuple[Permission, Scope]], presented: Presented
    ) -> Access | None:
        """Return the rights of the caller; None if the method is for everybody."""
        if door is Door.ANYBODY:
            return None
        granted = Access(await self._chain.authenticate(presented), self._policies)
        for permission, scope in wanted:
            granted.require(permission, scope)
        return granted


@contextlib.contextmanager
def _acting_with(granted: Access | None) -> Iterator[None]:
    with identities.acting_as(granted.identity if granted else None), access.of(granted):
        yield
