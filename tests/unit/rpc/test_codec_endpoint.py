"""The codec endpoint answers with what it can hold in memory, however small the request is."""

import httpx
from google.protobuf import json_format
from starlette.applications import Starlette
from temporalio.api.common.v1 import Payload, Payloads

from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts import compression, packing
from flytetemporal.rpc import codec_endpoint


async def decode(*payloads: Payload) -> httpx.Response:
    routes = codec_endpoint.routes(compression.ZlibCodec(), AdminSettings())
    transport = httpx.ASGITransport(app=Starlette(routes=routes))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
        content = json_format.MessageToJson(Payloads(payloads=payloads))
        headers = {"Content-Type": "application/json"}
        return await client.post(f"{codec_endpoint.PATH}/decode", content=content, headers=headers)


async def test_payloads_are_decoded_in_their_order() -> None:
    plain = [Payload(data=bytes([number]) * compression.MIN_BYTES) for number in range(3)]

    answer = await decode(*map(compression.compressed, plain))

    assert answer.status_code == 200
    assert list(json_format.Parse(answer.text, Payloads()).payloads) == plain


async def test_small_payloads_that_become_very_large_together_are_refused() -> None:
    bomb = compression.compressed(Payload(data=bytes(packing.MAX_BYTES // 2)))

    answer = await decode(*[bomb] * 100)

    assert answer.status_code == 400
    assert "send fewer at once" in answer.json()["message"]


async def test_a_damaged_payload_is_refused() -> None:
    answer = await decode(Payload(metadata={"encoding": compression.ENCODING}, data=b"damaged"))

    assert answer.status_code == 400
    assert "a payload is damaged" in answer.json()["message"]
