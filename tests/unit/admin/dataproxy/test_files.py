import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flytetemporal.admin.dataproxy import files
from flytetemporal.idl import identifiers, locations
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import Signer

LOG = "/logs/p/d/e/n0/0"


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(str(tmp_path / "store"), confined_to=())


def served(blobs: BlobStore) -> Starlette:
    return Starlette(routes=files.routes(blobs, Signer(blobs, b"key", "http://localhost")))


async def answer(blobs: BlobStore, path: str, app: ASGIApp | None = None, **headers: str) -> httpx.Response:
    app = app or served(blobs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.get(path, headers=headers)


async def download(blobs: BlobStore, name: str, app: ASGIApp | None = None, **headers: str) -> httpx.Response:
    link = await Signer(blobs, b"key", "http://localhost").link("GET", f"{blobs.root}/{name}", timedelta(minutes=1))
    return await answer(blobs, link, app, **headers)


def log_file(blobs: BlobStore) -> Path:
    path = Path(locations.log_uri(blobs.root, identifiers.execution_identifier(("p", "d", "e")), "n0", 0))
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.parametrize("name", ["report.html", "picture.svg", "page.xhtml", "feed.xml", "code.js"])
async def test_what_a_browser_would_run_is_a_download(blobs: BlobStore, name: str) -> None:
    await blobs.write(f"{blobs.root}/{name}", b"<script>alert(1)</script>")

    found = await download(blobs, name)

    assert found.headers["content-disposition"].startswith("attachment")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"].startswith("sandbox;")


async def test_a_deck_is_shown_in_a_sandbox(blobs: BlobStore) -> None:
    await blobs.write(f"{blobs.root}/n0/deck.html", b"<h1>deck</h1>")

    found = await download(blobs, "n0/deck.html")

    assert found.headers["content-disposition"].startswith("inline")
    assert "allow-same-origin" not in found.headers["content-security-policy"]
    assert found.headers["content-security-policy"].startswith("sandbox allow-scripts")


async def test_a_deck_that_is_a_link_is_not_there(blobs: BlobStore) -> None:
    folder = Path(blobs.root)
    folder.mkdir()
    (folder / "deck.html").symlink_to("/etc/passwd")

    assert (await download(blobs, "deck.html")).status_code == 404


class Meddling:
    """The routes, and a task that does something when an answer starts."""

    def __init__(self, blobs: BlobStore, meddle: Callable[[], None]) -> None:
        self._app = served(blobs)
        self._meddle = meddle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def meddled(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._meddle()
            await send(message)

        await self._app(scope, receive, meddled)


@pytest.mark.parametrize(
    ("wanted", "parts"), [("bytes=0-", [b"checked"]), ("bytes=2-3", [b"ec"]), ("bytes=0-1,4-5", [b"ch", b"ke"])]
)
@pytest.mark.parametrize("instead", ["a link", "a FIFO", "nothing"])
async def test_a_download_is_of_the_file_that_was_checked(
    blobs: BlobStore, wanted: str, parts: list[bytes], instead: str
) -> None:
    await blobs.write(f"{blobs.root}/n0/file", b"checked")
    path = Path(blobs.root) / "n0/file"

    def meddle() -> None:
        path.unlink()
        if instead == "a link":
            path.symlink_to("/etc/passwd")
        elif instead == "a FIFO":
            os.mkfifo(path)

    found = await download(blobs, "n0/file", Meddling(blobs, meddle), range=wanted)

    assert found.status_code == 206
    assert all(part in found.content for part in parts)
    assert b"root" not in found.content


async def test_downloads_close_their_files(blobs: BlobStore) -> None:
    await blobs.write(f"{blobs.root}/n0/file", b"content")
    before = len(os.listdir("/dev/fd"))

    for wanted in ("", "bytes=1-", "bytes=99-", "lines=1"):
        await download(blobs, "n0/file", range=wanted)

    assert len(os.listdir("/dev/fd")) == before


async def test_a_log_is_streamed_as_plain_text(blobs: BlobStore) -> None:
    log_file(blobs).write_bytes(b"<b>line</b>\n" * 100_000)

    found = await answer(blobs, LOG)

    assert found.status_code == 200
    assert found.headers["content-type"].startswith("text/plain")
    assert found.headers["x-content-type-options"] == "nosniff"
    assert len(found.content) == 1_200_000


async def test_the_rest_of_a_log_is_read_from_a_byte_on(blobs: BlobStore) -> None:
    log_file(blobs).write_bytes(b"one\ntwo\n")

    found = await answer(blobs, LOG, range="bytes=4-")

    assert (found.status_code, found.content) == (206, b"two\n")
    assert found.headers["content-range"] == "bytes 4-7/8"
    assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("start", [8, 9, 10**14])
async def test_beyond_the_end_of_a_log_its_size_is_said(blobs: BlobStore, start: int) -> None:
    log_file(blobs).write_bytes(b"one\ntwo\n")

    found = await answer(blobs, LOG, range=f"bytes={start}-")

    assert (found.status_code, found.content) == (416, b"")
    assert found.headers["content-range"] == "bytes */8"


@pytest.mark.parametrize(
    "wanted", ["bytes=-4", "bytes=0-3", "bytes=4-,5-", "lines=4-", "bytes=x-", "bytes=" + "9" * 400]
)
async def test_other_ranges_of_a_log_are_ignored(blobs: BlobStore, wanted: str) -> None:
    log_file(blobs).write_bytes(b"one\ntwo\n")

    found = await answer(blobs, LOG, range=wanted)

    assert (found.status_code, found.content) == (200, b"one\ntwo\n")


async def test_a_log_that_is_a_fifo_or_a_link_is_refused_at_once(blobs: BlobStore) -> None:
    path = log_file(blobs)
    os.mkfifo(path)
    assert (await answer(blobs, LOG)).status_code == 400

    path.unlink()
    path.symlink_to("/dev/zero")
    assert (await answer(blobs, LOG)).status_code == 400
