"""The guard of all methods and routes: who calls, and may they? Once per call, for gRPC and HTTP alike."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from http import HTTPStatus

from google.protobuf.message import Message

from flytetemporal.auth import access, audit
from flytetemporal.auth import identity as identities
from flytetemporal.auth.access import Access
from flytetemporal.auth.audit import AuditLog, Entry
from flytetemporal.auth.authentication import Chain
from flytetemporal.auth.identity import Identity
from flytetemporal.auth.policies import Policies
from flytetemporal.auth.rates import Rates
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.auth.routes import ROUTES
from flytetemporal.auth.rules import RULES, Door
from flytetemporal.errors import PermissionDenied, QuotaExceeded, Unauthenticated
from flytetemporal.rpc import status
from flytetemporal.rpc.callers import Answered, Ended, Presented
from flytetemporal.rpc.methods import Method

_OK, _UNAUTHENTICATED, _CANCELLED = "OK", "UNAUTHENTICATED", "CANCELLED"
_HUNG_UP = "the client hung up before it was answered; the change may have been made"


class SignInGuard:
    """Serves those that have signed in what their roles allow, and keeps an audit log."""

    def __init__(self, chain: Chain, policies: Policies, log: AuditLog, requests_per_second: float = 0) -> None:
        """``requests_per_second`` is the limit of each caller except for workers; 0: none."""
        self._rates = Rates(requests_per_second)
        self._chain = chain
        self._policies = policies
        self._log = log

    @contextlib.asynccontextmanager
    async def admitting(self, method: Method, request: Message, presented: Presented) -> AsyncIterator[Answered]:
        """Let a method run with the rights of its caller.

        Raises:
            Unauthenticated: who calls is not known.
            PermissionDenied: the caller lacks a permission that the method needs for this request.
        """
        rule = RULES[method.path]
        call = _Call(method.name, presented, list(rule.wanted(request)), request)
        if rule.door is Door.ANYBODY:
            yield call.answered
            return
        try:
            with await self._entered(call):
                yield call.answered
        except (Unauthenticated, PermissionDenied) as e:
            self._log.refused(call.entry(status.code(e).name, e.message))
            raise
        except QuotaExceeded as e:
            if rule.audited:  # With the next batch, or a caller with too many requests would keep the database busy.
                self._log.refused(call.entry(status.code(e).name, e.message))
            raise
        except asyncio.CancelledError:
            # The client has hung up, perhaps after the change was made.
            if rule.audited:
                self._log.refused(call.entry(_CANCELLED, _HUNG_UP))
            raise
        except Exception as e:
            if rule.audited:
                await self._record(call.entry(status.code(e).name, status.status(e).message))
            raise
        if rule.audited:
            await self._record(call.entry(_OK))

    @contextlib.asynccontextmanager
    async def admitting_route(
        self, route: str, parameters: Mapping[str, str], presented: Presented
    ) -> AsyncIterator[Ended]:
        """Let an HTTP route that is no method run with the rights of its caller; it raises like ``admitting``."""
        rule = ROUTES[route]
        if rule.signs_in:
            async with self._attempt(route, presented) as ended:
                yield ended
            return
        if rule.door is Door.ANYBODY:
            yield _ignore
            return
        call = _Call(route, presented, list(rule.wanted(parameters)))
        try:
            with await self._entered(call):
                yield _ignore
        except (Unauthenticated, PermissionDenied) as e:
            self._log.refused(call.entry(status.code(e).name, e.message))
            raise

    @contextlib.asynccontextmanager
    async def _attempt(self, route: str, presented: Presented) -> AsyncIterator[Ended]:
        """Let a request that signs in run; its entry says whom it names, and whether it succeeds."""
        statuses: list[int] = []
        with audit.attempt() as found:
            yield statuses.append
        status_code = statuses[0] if statuses else HTTPStatus.INTERNAL_SERVER_ERROR
        if status_code < HTTPStatus.BAD_REQUEST:
            await self._log.record(Entry(audit.SIGN_IN, presented, found.identity, _OK, target=route))
        else:
            message = f"the answer is HTTP {status_code}"
            entry = Entry(audit.SIGN_IN, presented, found.identity, _UNAUTHENTICATED, message, target=route)
            self._log.refused(entry)

    async def _record(self, entry: Entry) -> None:
        """Keep the entry of a change, also if its client hangs up now."""
        try:
            await self._log.record(entry)
        except asyncio.CancelledError:
            self._log.refused(entry)
            raise

    async def _entered(self, call: "_Call") -> "contextlib.AbstractContextManager[None]":
        """Return the context of a call that may be served, with the rights of its caller."""
        call.identity = await self._chain.authenticate(call.presented)
        granted = Access(call.identity, self._policies)
        if not granted.allows(Permission.ENGINE, Scope()):
            self._rates.take(call.identity)
        for permission, scope in call.wanted:
            granted.require(permission, scope)
        return _acting_with(granted)


class _Call:
    """What the audit log says of a call, as far as it is known yet."""

    def __init__(
        self,
        action: str,
        presented: Presented,
        wanted: list[tuple[Permission, Scope]],
        request: Message | None = None,
    ) -> None:
        self.presented = presented
        self.wanted = wanted
        self.identity: Identity | None = None
        self._action = action
        self._request = request
        self._response: Message | None = None

    def answered(self, response: Message) -> None:
        """Note the response, which has the id of what was made."""
        self._response = response

    def entry(self, code: str, message: str = "") -> Entry:
        """Return the entry of the call with its result."""
        scope = self.wanted[0][1] if self.wanted else Scope()
        target = audit.target(self._response, self._request)
        return Entry(self._action, self.presented, self.identity, code, message, scope, target)


def _ignore(_: int) -> None:
    pass


@contextlib.contextmanager
def _acting_with(granted: Access) -> Iterator[None]:
    with identities.acting_as(granted.identity), access.of(granted):
        yield
