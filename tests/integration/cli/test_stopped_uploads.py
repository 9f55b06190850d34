"""Uploads that stop in the middle, on a real port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from flytetemporal.admin.dataproxy import files
from flytetemporal.cli.dev import ports
from flytetemporal.cli.serving import http_port
from flytetemporal.config.admin import AdminSettings
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import Signer
from tests.fixtures.waiting import bounded


class Server:
    """The routes of a store on a port; remembers the errors that reach the web server."""

    def __init__(self, root: Path, idle_seconds: float) -> None:
        self.port = ports.free()
        self.blobs = BlobStore(str(root), confined_to=())
        self.errors: list[BaseException] = []
        self.answered = asyncio.Event()
        self._signer = Signer(self.blobs, b"key", "")
        self._app = Starlette(routes=files.routes(self.blobs, self._signer, timedelta(seconds=idle_seconds)))

    async def start_upload(self, content: bytes, size_bytes: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send a request with so much content, of which not everything may be given."""
        link = await self._signer.link("PUT", f"{self.blobs.root}/file", timedelta(minutes=1))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"PUT {link} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size_bytes}\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        return reader, writer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as e:
            self.errors.append(e)
            raise
        finally:
            if scope["type"] == "http":
                self.answered.set()


@contextlib.asynccontextmanager
async def serving(root: Path, idle_seconds: float = 60) -> AsyncIterator[Server]:
    server = Server(root, idle_seconds)
    async with http_port.serving(server, AdminSettings(http_port=server.port)):
        yield server


async def test_a_client_that_hangs_up_in_an_upload_leaves_no_error_and_no_file(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        _, writer = await server.start_upload(b"a" * 1000, 2000)
        writer.close()
        await bounded(server.answered.wait())

        assert server.errors == []
        assert not await server.blobs.exists(f"{server.blobs.root}/file")


async def test_an_upload_of_which_nothing_more_arrives_is_dropped(tmp_path: Path) -> None:
    async with serving(tmp_path, idle_seconds=0.1) as server:
        reader, _ = await server.start_upload(b"a" * 1000, 2000)

        assert b" 408 " in await bounded(reader.readline())
        assert server.errors == []
        assert not await server.blobs.exists(f"{server.blobs.root}/file")


@pytest.mark.parametrize("pieces", [1, 10])
async def test_an_upload_may_take_longer_than_nothing_may_arrive(tmp_path: Path, pieces: int) -> None:
    async with serving(tmp_path, idle_seconds=5) as server:
        reader, writer = await server.start_upload(b"", 1000)
        for _ in range(pieces):
            writer.write(b"a" * (1000 // pieces))
            await asyncio.sleep(0.01)

        assert b" 200 " in await bounded(reader.readline())
        assert await server.blobs.read(f"{server.blobs.root}/file") == b"a" * 1000
