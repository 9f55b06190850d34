"""The codec endpoint of Temporal's UI and CLI: they send payloads that they cannot read, and show the answer.

Its form is that of Temporal's remote codecs: ``POST /codec/decode`` with ``temporal.api.common.v1.Payloads`` as JSON.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from google.rpc import code_pb2, status_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts import packing
from flytetemporal.errors import FlyteError, ValueTooLarge
from flytetemporal.rpc import bodies, invocation, json_form, status
from flytetemporal.rpc.bodies import JSON, Bodies

PATH = "/codec"
Translate = Callable[[Sequence[Payload]], Coroutine[Any, Any, list[Payload]]]


def routes(codec: PayloadCodec, settings: AdminSettings) -> list[Route]:
    """Return the routes that decode payloads and, for what people enter in the UI, encode them."""
    limits = Bodies(settings.max_message_bytes, settings.body_timeout)
    return [
        Route(f"{PATH}/decode", _handler(codec.decode, limits), methods=["POST"]),
        Route(f"{PATH}/encode", _handler(codec.encode, limits), methods=["POST"]),
    ]


def _handler(translate: Translate, limits: Bodies) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        given = Payloads()
        try:
            await limits.read(request, given)
            # In a thread: thousands of payloads take longer than other requests should wait.
            found = await asyncio.to_thread(asyncio.run, _within_bound(translate, given.payloads))
        except bodies.Unreadable as e:
            return _answer(e.status, e.http_status)
        except FlyteError as e:
            refused = invocation.refusal("http", e)
            return _answer(refused, status.HTTP_STATUS.get(refused.code, 500))
        except ValueError as e:
            problem = f"a payload is damaged: {e}"
            return _answer(status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message=problem), 400)
        return _answer(Payloads(payloads=found), 200)

    return handle


async def _within_bound(translate: Translate, payloads: Sequence[Payload]) -> list[Payload]:
    """Translate payloads one by one, since each can become a thousand times as large. Raises ``ValueTooLarge``."""
    found: list[Payload] = []
    size = 0
    for payload in payloads:
        found += await translate([payload])
        size += found[-1].ByteSize()
        if size > packing.MAX_BYTES:
            raise ValueTooLarge(f"the payloads are larger than {packing.MAX_BYTES} bytes together; send fewer at once")
    return found


def _answer(message: Payloads | status_pb2.Status, http_status: int) -> Response:
    return Response(json_form.dumps(message, proto_names=False), http_status, media_type=JSON)
