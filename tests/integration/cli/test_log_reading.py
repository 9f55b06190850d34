"""Logs are read from a real HTTP server with admin's routes."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from flytetemporal.admin.dataproxy import files
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import log_reading
from flytetemporal.idl import identifiers, locations
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import Signer

EXECUTION_ID = identifiers.execution_identifier(("p", "d", "e"))


class Server:
    def __init__(self, folder: Path, url: str) -> None:
        self.file = Path(locations.log_uri(str(folder), EXECUTION_ID, "n0", 0))
        self.log = log_reading.Log(url + locations.log_path(EXECUTION_ID, "n0", 0))

    async def unread(self) -> bytes:
        return b"".join(await asyncio.to_thread(list, self.log.unread()))

    def write(self, content: bytes) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_bytes(content)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    blobs = BlobStore(str(tmp_path), confined_to=())
    app = Starlette(routes=files.routes(blobs, Signer(blobs, b"key", "http://localhost")))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        running = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        serving = asyncio.create_task(running.serve([listener]))
        try:
            yield Server(tmp_path, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            running.should_exit = True
            await serving


async def test_each_read_continues_where_the_last_one_ended(server: Server) -> None:
    server.write(b"one\n")
    first = await server.unread()
    nothing = await server.unread()
    server.write(b"one\ntwo\n")

    assert (first, nothing, await server.unread()) == (b"one\n", b"", b"two\n")


async def test_a_log_that_is_not_written_yet_is_empty(server: Server) -> None:
    before = await server.unread()
    server.write(b"one\n")

    assert (before, await server.unread()) == (b"", b"one\n")


async def test_the_log_of_an_attempt_that_started_again_is_read_from_its_start(server: Server) -> None:
    server.write(b"one\ntwo\n")
    await server.unread()
    server.write(b"new\n")

    assert await server.unread() == b"new\n"


async def test_a_refusal_is_one_line(server: Server) -> None:
    server.file.parent.mkdir(parents=True)
    os.mkfifo(server.file)

    with pytest.raises(CommandError, match=r"/logs/p/d/e/n0/0 answers 400: "):
        await server.unread()


def test_a_server_that_is_gone_is_one_line() -> None:
    with pytest.raises(CommandError, match=r"cannot read http://127\.0\.0\.1:1/logs/x: .*refused"):
        list(log_reading.Log("http://127.0.0.1:1/logs/x").unread())


@pytest.mark.parametrize(
    "uri", ["file:///logs/x", "https://console.aws.amazon.com/cloudwatch", "/logs/x", "ftp://h/logs/x"]
)
def test_links_to_other_systems_are_not_followed(uri: str) -> None:
    assert not log_reading.is_ours(uri)
