"""The HTTP route that takes the webhooks of triggers.

A webhook is checked, recorded and launched. One that is sent again under the same id has the result that it had, also
years later: the name of its execution derives from the id.
"""

import asyncio

import structlog
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flytetemporal.admin.base import plain_values
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.events import trigger_events
from flytetemporal.admin.events.trigger_events import TriggerKey
from flytetemporal.admin.firing import delivery, listing, signatures
from flytetemporal.admin.firing.signatures import Signed
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerRow
from flytetemporal.admin.triggers import declarations
from flytetemporal.config.webhook_keys import signing_key
from flytetemporal.errors import Conflict, FailedPrecondition, InvalidRequest, NotFound
from flytetemporal.rpc import bodies, invocation, json_form, status
from flytetemporal.rpc.bodies import Bodies

PATH = listing.WEBHOOKS + "/{project}/{domain}/{launch_plan:path}/{trigger}"
_HTTP_STATUS = {"LAUNCHED": 200, "SKIPPED": 200, "PENDING": 202, "FAILED": 400}

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def routes(deps: Dependencies) -> list[Route]:
    """Return the route, to be served next to the methods."""
    return [Route(PATH, Webhooks(deps).receive, methods=["POST"])]


class Webhooks:
    """The endpoint."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps
        limit = deps.triggers.webhook_body_bytes
        self._bodies = Bodies(limit, deps.settings.body_timeout, "FLYTETEMPORAL_TRIGGERS__WEBHOOK_BODY_BYTES")

    async def receive(self, request: Request) -> Response:
        """Answer with the event of a webhook: 200 if it has a result, 202 if it is launched later, 400 if it cannot."""
        try:
            event = await self._received(request)
        except bodies.Unreadable as e:
            return _answer(e.status, e.http_status)
        except Exception as e:
            refused = invocation.refusal("webhook", e)
            return _answer(refused, status.HTTP_STATUS.get(refused.code, 500))
        return _answer(listing.event_message(event), _HTTP_STATUS[event.state])

    async def _received(self, request: Request) -> TriggerEventRow:
        names = request.path_params
        trigger_key = (names["project"], names["domain"], names["launch_plan"], names["trigger"])
        signed = signatures.read(request.headers)
        async with self._deps.sessions() as session:
            trigger = await _active(session, trigger_key)
        key = self._key(trigger)
        body = await self._bodies.receive(request)
        signatures.check(signed, body, key, self._deps.triggers.webhook_max_age)
        await _check_body(body)
        await self._record(trigger, trigger_key, signed, body)
        project, domain, *_ = trigger_key
        name = trigger_events.execution_name(trigger_key, signed.delivery)
        event = await delivery.deliver(self._deps, (project, domain, name))
        if event.payload != body:
            raise Conflict(
                f"delivery [{signed.delivery}] was received before with another body; give each event its own id"
            )
        return event

    def _key(self, trigger: TriggerRow) -> bytes:
        name = declarations.from_stored(trigger.declaration).webhook or ""
        key = self._deps.triggers.webhook_keys.get(name)
        if key is None:
            raise FailedPrecondition(
                f"admin no longer has the key [{name}] of this trigger; add it to FLYTETEMPORAL_TRIGGERS__WEBHOOK_KEYS"
            )
        return signing_key(key)

    async def _record(self, trigger: TriggerRow, key: TriggerKey, signed: Signed, body: bytes) -> None:
        event = trigger_events.values(trigger.id, key, signed.delivery, signed.sent_at, body)
        async with self._deps.sessions.begin() as session:
            await trigger_events.record(session, [event])


async def _active(session: AsyncSession, key: TriggerKey) -> TriggerRow:
    trigger = await session.get(TriggerRow, key)
    if trigger is None or trigger.kind != "webhook" or not trigger.is_active:
        *_, launch_plan, name = key
        raise NotFound(f"no active version of launch plan {launch_plan} has a webhook trigger {name}")
    return trigger


async def _check_body(body: bytes) -> None:
    """Refuse a body that is not JSON in UTF-8; a large one is parsed in a thread."""
    try:
        text = body.decode()
        if len(body) > bodies.MAX_PARSED_INLINE_BYTES:
            await asyncio.to_thread(plain_values.parsed, text)
        else:
            plain_values.parsed(text)
    except ValueError as e:
        raise InvalidRequest(f"the body is not JSON: {e}") from e


def _answer(message: Message, http_status: int) -> Response:
    return Response(json_form.dumps(message, proto_names=True), http_status, media_type="application/json")
