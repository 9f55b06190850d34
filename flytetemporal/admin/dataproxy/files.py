"""HTTP routes of a local store: signed uploads and downloads, and the logs of process tasks.

Objects of S3 and Google Cloud Storage do not pass through here: their links lead to the store itself.
"""

import asyncio
import contextlib
import mimetypes
import os
import re
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import IO, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Send
from starlette.types import Scope as RequestScope

from flytetemporal.auth import access
from flytetemporal.auth.roles import Permission, Scope
from flytetemporal.errors import FlyteError, InvalidRequest, NotFound
from flytetemporal.idl import identifiers, locations
from flytetemporal.rpc import status
from flytetemporal.storage.blobs import BlobStore
from flytetemporal.storage.signing import FILES_PATH, Signer

# What a browser would run if it were shown as a page of ours.
ACTIVE_TYPES = (
    "text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "text/javascript",
    "application/javascript",
)  # fmt: skip
# Users and tasks wrote these files: browsers must neither guess their type nor run what is in them.
UNTRUSTED = {"x-content-type-options": "nosniff", "content-security-policy": "sandbox; default-src 'none'"}
# Decks are pages with scripts. A sandboxed page has its own origin, which cannot call the API.
DECK_POLICY = {"content-security-policy": "sandbox allow-scripts allow-popups"}
CHUNK_BYTES = 256 * 1024
IDLE_TIMEOUT = timedelta(minutes=1)
# As nginx logs it; the client does not see it.
_HUNG_UP = 499


def routes(blobs: BlobStore, signer: Signer, idle_timeout: timedelta = IDLE_TIMEOUT) -> list[Route]:
    """Return the routes, to be served next to the methods. An upload that stalls for ``idle_timeout`` is dropped."""
    files = Files(blobs, signer, idle_timeout.total_seconds())
    return [
        Route(FILES_PATH + "/{path:path}", files.put, methods=["PUT"]),
        Route(FILES_PATH + "/{path:path}", files.get, methods=["GET", "HEAD"]),
        Route("/logs/{project}/{domain}/{name}/{node_id}/{attempt:int}", files.log, methods=["GET"]),
    ]


class _Stalled(Exception):
    """Nothing of an upload has arrived for a while."""


class _OpenedFile(FileResponse):
    """An answer with the content of a file that is open: a task can put a link in its place at any time."""

    def __init__(self, file: IO[bytes], **options: Any) -> None:
        # Opening this path opens the same file once more, whatever has its name now.
        super().__init__(f"/dev/fd/{file.fileno()}", stat_result=os.fstat(file.fileno()), **options)
        self._file = file

    async def __call__(self, scope: RequestScope, receive: Receive, send: Send) -> None:
        """Send the file, and close it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.to_thread(self._file.close)


class Files:
    """The endpoints. The signature of a link permits one verb on one object until the link expires."""

    def __init__(self, blobs: BlobStore, signer: Signer, idle_seconds: float) -> None:
        self._blobs = blobs
        self._signer = signer
        self._idle_seconds = idle_seconds

    async def put(self, request: Request) -> Response:
        """Store an upload. The object becomes visible as a whole, and only if its MD5 is the signed one.

        A client that repeats an upload succeeds; other content does not take the place of what exists.
        """
        try:
            uri, md5 = self._verified(request, "PUT")
            await self._blobs.create_from_stream(uri, self._arriving(request), md5)
        except FlyteError as e:
            return _refusal(e)
        except _Stalled:
            return PlainTextResponse(
                f"nothing of the file arrived for {self._idle_seconds:g} s; upload it again\n", 408
            )
        except ClientDisconnect:
            return Response(status_code=_HUNG_UP)
        return Response()

    async def get(self, request: Request) -> Response:
        """Send an object, or the range of it that is requested."""
        try:
            uri, _ = self._verified(request, "GET")
            path = self._blobs.local_path(uri)
            if path is None or not await self._blobs.exists(uri):
                raise NotFound("object not found")
            file = await self._blobs.open(uri)
        except FlyteError as e:
            return _refusal(e)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        is_deck = path.name == locations.DECK
        return _OpenedFile(
            file,
            media_type=kind,
            content_disposition_type="attachment" if kind in ACTIVE_TYPES and not is_deck else "inline",
            filename=path.name,
            headers={**UNTRUSTED, **(DECK_POLICY if is_deck else {})},
        )

    async def log(self, request: Request) -> Response:
        """Stream the captured output of a task attempt, as far as it has been written.

        With ``Range: bytes=N-``, what follows the first N bytes; clients follow a running attempt that way.
        """
        parts = request.path_params
        execution_id = identifiers.execution_identifier((parts["project"], parts["domain"], parts["name"]))
        place = (self._blobs.root, execution_id, parts["node_id"], parts["attempt"])
        try:
            for uri in dict.fromkeys((locations.log_uri(*place), locations.old_log_uri(*place))):
                with contextlib.suppress(NotFound):
                    if self._is_readable(uri):
                        return await _log(await self._blobs.open(uri), request.headers.get("range", ""))
        except FlyteError as e:
            return _refusal(e)
        attempt = f"attempt {parts['attempt']} of node {parts['node_id']} of execution {parts['name']}"
        return PlainTextResponse(f"no log was written for {attempt}\n", 404)

    def _is_readable(self, uri: str) -> bool:
        """Whether a log is in the store, and of a project that may be read.

        The names of folders have parts with dashes and dots: other ids can lead to the folder of another project.
        """
        if not self._blobs.owns(uri):
            return False
        place = locations.place(uri, self._blobs.root, self._blobs.root)
        return access.allows(Permission.READ, Scope(*place) if place else Scope())

    async def _arriving(self, request: Request) -> AsyncIterator[bytes]:
        chunks = aiter(request.stream())
        while True:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    chunk = await anext(chunks, None)
            except TimeoutError as e:
                raise _Stalled from e
            if chunk is None:
                return
            yield chunk

    def _verified(self, request: Request, verb: str) -> tuple[str, bytes]:
        path = request.path_params["path"]
        md5 = self._signer.verify(verb, path, request.query_params)
        uri = f"{self._blobs.root}/{path}"
        if not self._blobs.owns(uri):
            raise InvalidRequest(f"[{path}] is outside of the store")
        return uri, md5


def _refusal(error: FlyteError) -> Response:
    answer = status.status(error)
    return PlainTextResponse(answer.message + "\n", status.HTTP_STATUS.get(answer.code, 500))


async def _log(file: IO[bytes], wanted: str) -> Response:
    start = re.fullmatch(r"bytes=(\d{1,15})-", wanted, re.ASCII)
    if start is None:  # As RFC 9110 allows, other ranges are ignored.
        return StreamingResponse(_chunks(file), media_type="text/plain", headers=UNTRUSTED)
    first = int(start[1])
    size = await asyncio.to_thread(file.seek, 0, os.SEEK_END)
    if first >= size:
        await asyncio.to_thread(file.close)
        return PlainTextResponse(status_code=416, headers={"content-range": f"bytes */{size}"})
    await asyncio.to_thread(file.seek, first)
    # An attempt that runs writes on: what is sent ends where the log ended now.
    headers = UNTRUSTED | {"content-range": f"bytes {first}-{size - 1}/{size}", "content-length": str(size - first)}
    return StreamingResponse(_chunks(file, size - first), 206, media_type="text/plain", headers=headers)


async def _chunks(file: IO[bytes], limit_bytes: int = sys.maxsize) -> AsyncIterator[bytes]:
    try:
        while chunk := await asyncio.to_thread(file.read, min(CHUNK_BYTES, limit_bytes)):
            limit_bytes -= len(chunk)
            yield chunk
    finally:
        await asyncio.to_thread(file.close)
