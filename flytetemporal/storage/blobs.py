"""The object store: bytes and protobuf messages by URI. The only door to fsspec.

``file://``, ``s3://`` and ``gs://`` work; what a store calls its errors never leaves this module.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from google.protobuf.message import DecodeError, Message

from flytetemporal.errors import Internal, InvalidRequest, NotFound, Unavailable

M = TypeVar("M", bound=Message)
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class BlobStore:
    """One store. ``root`` is the URI under which everything of this installation lies, without a slash at its end."""

    def __init__(self, root: str, options: Mapping[str, Any] | None = None) -> None:
        self.root = root.rstrip("/")
        self._options = dict(options or {})
        self._scheme = root.split("://", 1)[0]

    async def read(self, uri: str) -> bytes:
        """Return the object's bytes.

        Raises:
            NotFound: there is no such object.
            Unavailable: the store does not answer.
        """
        return await asyncio.to_thread(self.read_now, uri)

    async def write(self, uri: str, data: bytes) -> None:
        """Write an object whole; readers see the old bytes or the new ones, never a part."""
        await asyncio.to_thread(self.write_now, uri, data)

    async def exists(self, uri: str) -> bool:
        """Say whether there is such an object."""
        return await asyncio.to_thread(self._exists_now, uri)

    async def size_bytes(self, uri: str) -> int:
        """Return the object's size. Raises ``NotFound``."""
        return await asyncio.to_thread(self._size_now, uri)

    async def read_message(self, uri: str, kind: type[M]) -> M:
        """Return the object parsed as ``kind``. Raises ``Internal`` when it does not parse."""
        data = await self.read(uri)
        try:
            return kind.FromString(data)
        except DecodeError as e:
            raise Internal(f"{uri} is no {kind.DESCRIPTOR.full_name}") from e

    async def write_message(self, uri: str, message: Message) -> None:
        """Write the binary form of ``message``."""
        await self.write(uri, message.SerializeToString(deterministic=True))

    def owns(self, uri: str) -> bool:
        """Say whether ``uri`` lies under the root, without climbing out of it."""
        return uri.startswith(self.root + "/") and ".." not in uri.split("/")

    def local_path(self, uri: str) -> Path | None:
        """Return the local path of a ``file://`` URI, None for every other store."""
        return Path(uri.removeprefix("file://")) if uri.startswith("file://") else None

    def read_now(self, uri: str) -> bytes:
        """Read, blocking; for threads only."""
        with self._translated(uri):
            path = self.local_path(uri)
            if path is not None:
                return path.read_bytes()
            data: bytes = self._filesystem(uri).cat_file(uri)
            return data

    def write_now(self, uri: str, data: bytes) -> None:
        """Write, blocking; for threads only."""
        with self._translated(uri):
            path = self.local_path(uri)
            if path is None:
                self._filesystem(uri).pipe_file(uri, data)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}")
            scratch.write_bytes(data)
            os.replace(scratch, path)

    def _exists_now(self, uri: str) -> bool:
        with self._translated(uri):
            path = self.local_path(uri)
            return path.is_file() if path is not None else bool(self._filesystem(uri).exists(uri))

    def _size_now(self, uri: str) -> int:
        with self._translated(uri):
            path = self.local_path(uri)
            return path.stat().st_size if path is not None else int(self._filesystem(uri).size(uri))

    def _filesystem(self, uri: str) -> Any:
        scheme = uri.split("://", 1)[0] if "://" in uri else ""
        if scheme not in ("s3", "gs", "gcs", "memory"):
            raise InvalidRequest(f"the object store cannot read [{uri}]: use a file://, s3:// or gs:// address")
        return fsspec.filesystem(scheme, **(self._options if scheme == self._scheme else {}))

    @staticmethod
    @contextlib.contextmanager
    def _translated(uri: str) -> Any:
        try:
            yield
        except _MISSING as e:
            raise NotFound(f"object not found: {uri}") from e
        except PermissionError as e:
            raise Unavailable(f"the object store refuses access to {uri}: {e}") from e
        except OSError as e:
            raise Unavailable(f"the object store does not answer for {uri}: {e}") from e
