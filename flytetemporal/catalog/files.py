"""The files of artifacts and cached outputs.

A file is written once, under a new name, and never changed: whoever read its URI from a row reads all of it or, if the
row was updated in between, finds nothing and asks the row again. Flyte overwrites the files of an artifact one by one.
"""

import uuid
from typing import TypeVar

import structlog
from google.protobuf.message import Message

from flytetemporal import errors
from flytetemporal.storage.blobs import MAX_READ_BYTES, BlobStore

M = TypeVar("M", bound=Message)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def write(blobs: BlobStore, message: Message) -> str:
    """Write a message to a new file; return its URI."""
    name = uuid.uuid4().hex
    uri = f"{blobs.root}/metadata/catalog/{name[:2]}/{name}.pb"
    await blobs.write_message(uri, message)
    return uri


async def read(blobs: BlobStore, uri: str, kind: type[M], limit_bytes: int = MAX_READ_BYTES) -> M | None:
    """Return the message of a file; None if the file is gone. Raises ``ValueTooLarge`` above the limit."""
    try:
        return await blobs.read_message(uri, kind, limit_bytes)
    except errors.NotFound:
        return None


async def discard(blobs: BlobStore, uri: str) -> None:
    """Delete a file that no row refers to any more. If the store fails, the file stays: it does no harm."""
    if not uri:
        return
    try:
        await blobs.delete(uri)
    except errors.FlyteError as e:
        _log.warning("catalog_file_left", uri=uri, error=str(e))
