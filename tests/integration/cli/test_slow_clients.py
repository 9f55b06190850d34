"""HTTP clients that send or read too slowly, on a real port: each is hung up on."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from flytetemporal.cli.dev import ports
from flytetemporal.cli.serving import http_port
from flytetemporal.config.admin import AdminSettings
from tests.fixtures.waiting import bounded

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Server:
    """An app with a short answer at ``/`` and one without end at ``/endless``."""

    def __init__(self) -> None:
        self.port = ports.free()
        self.endless_has_ended = asyncio.Event()
        self.app = Starlette(routes=[Route("/", self._short), Route("/endless", self._endless)])

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def _short(self, _: Request) -> PlainTextResponse:
        return PlainTextResponse("short")

    async def _endless(self, _: Request) -> StreamingResponse:
        return StreamingResponse(self._chunks())

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
                await asyncio.sleep(0)  # uvicorn drops what is sent to a client that is gone, without a pause.
        finally:
            self.endless_has_ended.set()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    opened = Server()
    settings = AdminSettings(http_port=opened.port, body_timeout=timedelta(seconds=0.2))
    async with http_port.serving(opened.app, settings):
        yield opened


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: local"])
async def test_a_client_whose_headers_do_not_arrive_is_hung_up_on(server: Server, sent: bytes) -> None:
    reader, writer = await server.connect()
    writer.write(sent)

    assert b"408 Request Timeout" in await bounded(reader.read())


async def test_headers_that_arrive_bit_by_bit_get_no_more_time(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(b"GET / HTTP/1.1\r\n")
    answer = asyncio.create_task(bounded(reader.read()))
    while not answer.done():
        writer.write(b"a: b\r\n")
        await asyncio.sleep(0.01)

    assert b"408 Request Timeout" in answer.result()


async def test_a_second_request_on_a_connection_has_the_same_limit(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(REQUEST)
    await bounded(reader.readuntil(b"short"))
    writer.write(REQUEST[:20])

    assert b"408 Request Timeout" in await bounded(reader.read())


async def test_a_request_is_answered_however_long_its_connection_has_been_open(server: Server) -> None:
    reader, writer = await server.connect()
    for _ in range(20):
        writer.write(REQUEST)
        await bounded(reader.readuntil(b"short"))
        await asyncio.sleep(0.02)


async def test_a_client_that_reads_nothing_is_hung_up_on(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(REQUEST.replace(b"/ ", b"/endless "))

        await bounded(server.endless_has_ended.wait())


async def test_a_client_that_reads_slowly_is_served(server: Server) -> None:
    reader, writer = await server.connect()
    writer.write(REQUEST.replace(b"/ ", b"/endless "))
    for _ in range(20):
        assert len(await bounded(reader.readexactly(500_000))) == 500_000
        await asyncio.sleep(0.03)

    assert not server.endless_has_ended.is_set()
    writer.close()
    await bounded(server.endless_has_ended.wait())
