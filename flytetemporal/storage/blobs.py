"""The object store: bytes and protobuf messages by URI. ``addresses`` says which URIs it has, and what opens them.

Methods that touch the store run in threads, because fsspec and files block. Cancelling one does not stop its thread:
a write can still complete afterwards, but readers never see a part of it.
"""

import asyncio
import base64
import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, ParamSpec, TypeVar

from google.protobuf.message import DecodeError, Message

from flytetemporal.errors import AlreadyExists, Internal, InvalidRequest, NotFound, Unavailable
from flytetemporal.storage import folders, listing, local_files
from flytetemporal.storage.addresses import Addresses, is_below, local_path
from flytetemporal.storage.concurrency import for_each
from flytetemporal.storage.listing import Page

M = TypeVar("M", bound=Message)
T = TypeVar("T")
P = ParamSpec("P")
# A single output can have 1000 MiB (worker.offload_max_bytes), and a map contains several.
MAX_READ_BYTES = 2 * 1024 * 1024 * 1024
# The store's own timeouts are shorter; this one is for calls that hang nevertheless.
READ_SECONDS = 300
# Messages from this size on are parsed in threads.
_LARGE_BYTES = 256 * 1024
_SPOOL_BYTES = 16 * 1024 * 1024


class BlobStore:
    """An object store. ``root`` is the URI prefix of all files of this installation, without a slash at its end."""

    def __init__(
        self, root: str, options: Mapping[str, Any] | None = None, confined_to: Sequence[str] | None = None
    ) -> None:
        """Open the store at ``root``.

        Args:
            root: An absolute path, ``s3://bucket/prefix`` or ``gs://bucket/prefix``.
            options: Options of fsspec for URIs with the root's scheme.
            confined_to: Prefixes of allowed URIs besides the root; all others are refused. None allows every URI, which
                is safe only if no URI comes from clients or tasks.
        """
        self._addresses = Addresses(root, options, confined_to)
        self.root = self._addresses.root

    async def read(self, uri: str, limit_bytes: int = MAX_READ_BYTES) -> bytes:
        """Return the object's bytes.

        Raises:
            NotFound: the object does not exist.
            ValueTooLarge: it has more than ``limit_bytes``.
            InvalidRequest: the URI is outside of the store, or names a link, a directory or a special file.
            Unavailable: the store does not answer.
        """
        return await self._in_time(uri, self.read_sync, uri, limit_bytes)

    async def open(self, uri: str) -> IO[bytes]:
        """Open an object of any size; the caller reads and closes it in threads.

        Raises:
            NotFound: the object does not exist.
            InvalidRequest: the URI is outside of the store, or names a link or a special file.
            Unavailable: the store does not answer.
        """
        return await self._in_time(uri, self._open_sync, uri)

    async def write(self, uri: str, data: bytes) -> None:
        """Write an object atomically: readers see the old bytes or the new ones, never a mixture."""
        await asyncio.to_thread(self.write_sync, uri, data)

    async def create_from_stream(self, uri: str, chunks: AsyncIterable[bytes], md5: bytes = b"") -> None:
        """Write a new object from a stream; it appears as a whole or not at all. The same content again is accepted.

        Raises:
            InvalidRequest: the content does not have ``md5`` (16 raw bytes).
            AlreadyExists: the object exists with other content.
        """
        digest = hashlib.md5(usedforsecurity=False)
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            async for chunk in chunks:
                digest.update(chunk)
                await asyncio.to_thread(spool.write, chunk)
            if md5 and digest.digest() != md5:
                raise InvalidRequest("the content does not match its MD5; upload it again")
            spool.seek(0)
            created = await asyncio.to_thread(self._create_sync, uri, spool)
        if not created and await self.md5(uri) != digest.digest():
            raise AlreadyExists(f"file [{uri}] already exists with other content; choose another filename or root")

    async def download(self, uri: str, path: Path) -> None:
        """Copy an object of any size to a file. Raises ``NotFound``."""
        await asyncio.to_thread(self._download_sync, uri, path)

    async def upload(self, path: Path, uri: str) -> None:
        """Copy a file to an object, which appears as a whole or not at all. Raises ``NotFound`` without a file."""

        def copy() -> None:
            with path.open("rb") as source:
                self._copy_sync(uri, source)

        with self._addresses.translated(str(path)):
            await asyncio.to_thread(copy)

    async def tree(self, uri: str) -> list[str]:
        """Return the sorted names, relative to ``uri``, of all objects below it; none if there is no such folder."""
        return await self._in_time(uri, self._tree_sync, uri)

    async def page(self, folder: str, after: str, limit: int) -> Page:
        """Return at most ``limit`` (1,000) objects below a folder that come after a name. Raises ``NotFound``."""
        return await self._in_time(folder, self._page_sync, folder, after, limit)

    async def delete(self, uri: str) -> None:
        """Delete an object, if it exists."""
        await asyncio.to_thread(self._delete_sync, uri)

    async def delete_all(self, folder: str, names: Sequence[str]) -> None:
        """Delete a few objects of one folder, as far as they exist."""
        if local_path(folder) is not None:
            await asyncio.to_thread(self._delete_all_sync, folder, names)  # A thread each costs more than the files.
        else:
            await for_each(self.delete, [f"{folder}/{name}" for name in names], at_once=max(1, len(names)))

    async def remove_below(self, folder: str, keep: folders.Keep, limit: int) -> folders.Removed:
        """Remove up to ``limit`` objects below a folder, but not those whose name is to be kept."""
        return await self._in_time(folder, self._remove_below_sync, folder, keep, limit)

    async def may_be_present(self, folder: str, names: Collection[str]) -> set[str]:
        """Return those of a few names in a folder that may exist: all, unless the store can tell at little cost.

        Raises:
            LinkedFolder: the folder is a link.
        """
        if local_path(folder) is None:
            return set(names)
        return await self._in_time(folder, self._present_sync, folder, names)

    async def exists(self, uri: str) -> bool:
        """Whether the object exists."""
        return await self._in_time(uri, self._exists_sync, uri)

    async def size_bytes(self, uri: str) -> int:
        """Return the object's size. Raises ``NotFound``."""
        return await self._in_time(uri, self._size_sync, uri)

    async def md5(self, uri: str) -> bytes:
        """Return the MD5 of the object's content, 16 raw bytes. Raises ``NotFound``."""
        return await self._in_time(uri, self._md5_sync, uri)

    async def read_message(self, uri: str, kind: type[M], limit_bytes: int = MAX_READ_BYTES) -> M:
        """Return the object parsed as ``kind``. Raises ``Internal`` if it does not parse."""
        data = await self.read(uri, limit_bytes)
        try:
            if len(data) < _LARGE_BYTES:
                return kind.FromString(data)
            return await asyncio.to_thread(kind.FromString, data)
        except DecodeError as e:
            raise Internal(f"{uri} is not a {kind.DESCRIPTOR.full_name}") from e

    async def write_message(self, uri: str, message: Message) -> None:
        """Write the deterministic binary form of ``message``: repeated writes store the same bytes."""
        # Of any size: protobuf has to serialize a message even to know its size.
        await asyncio.to_thread(self._write_message_sync, uri, message)

    async def write_messages(self, files: Sequence[tuple[str, Message]]) -> None:
        """Write a few messages, each as ``write_message`` does."""
        if all(local_path(uri) is not None for uri, _ in files):
            await asyncio.to_thread(self._write_messages_sync, files)  # A thread each costs more than small files.
        else:
            await for_each(lambda file: self.write_message(*file), files, at_once=max(1, len(files)))

    async def presign(
        self, verb: str, uri: str, lifetime: timedelta, md5: bytes = b"", *, only_new: bool = False
    ) -> str:
        """Return a link presigned by the store; ``only_new`` has an effect on S3. Raises ``Unavailable``."""
        return await asyncio.to_thread(self._presign_sync, verb, uri, lifetime, md5, only_new)

    def owns(self, uri: str) -> bool:
        """Whether ``uri`` is below the root, without ``..`` in its path."""
        return is_below(uri, self.root)

    def local_path(self, uri: str) -> Path | None:
        """Return the path of an absolute path or ``file://`` URI, None for URIs of other stores."""
        return local_path(uri)

    def check_address(self, uri: str) -> None:
        """Check a URI, parts of which can come from clients and tasks. Raises ``InvalidRequest``."""
        self._addresses.check(uri)

    async def _in_time(self, uri: str, operation: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Run a blocking read in a thread, and wait at most ``READ_SECONDS`` for it."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await asyncio.to_thread(operation, *arguments, **named)
        except TimeoutError as e:
            raise Unavailable(f"the object store has not answered for {uri} within {READ_SECONDS} s") from e

    def read_sync(self, uri: str, limit_bytes: int = MAX_READ_BYTES) -> bytes:
        """Read an object, blocking; call it in threads only."""
        with self._addresses.translated(uri):
            path = local_path(uri)
            if path is not None:
                try:
                    return local_files.read(path, self._addresses.local_root(path), limit_bytes)
                except IsADirectoryError as e:
                    raise InvalidRequest(f"{uri} is a directory, not a file") from e
            filesystem = self._addresses.filesystem(uri)
            if limit_bytes < MAX_READ_BYTES and filesystem.size(uri) > limit_bytes:
                raise local_files.too_large(uri, limit_bytes)
            data: bytes = filesystem.cat_file(uri)
            return data

    def write_sync(self, uri: str, data: bytes) -> None:
        """Write an object, blocking; call it in threads only."""
        with self._addresses.translated(uri):
            path = local_path(uri)
            if path is None:
                self._addresses.filesystem(uri).pipe_file(uri, data)
                return
            with local_files.replacing(path, self._addresses.local_root(path)) as file:
                file.write(data)

    def _write_message_sync(self, uri: str, message: Message) -> None:
        self.write_sync(uri, message.SerializeToString(deterministic=True))

    def _write_messages_sync(self, files: Sequence[tuple[str, Message]]) -> None:
        for uri, message in files:
            self._write_message_sync(uri, message)

    def _create_sync(self, uri: str, source: IO[bytes]) -> bool:
        """Write an object, blocking; return whether it is new. What exists stays as it is, in a store of files."""
        path = local_path(uri)
        if path is None:
            self._copy_sync(uri, source)
            return True
        with self._addresses.translated(uri):
            try:
                with local_files.creating(path, self._addresses.local_root(path)) as target:
                    shutil.copyfileobj(source, target)
            except FileExistsError:
                return False
        return True

    def _md5_sync(self, uri: str) -> bytes:
        with self._open_sync(uri) as file, self._addresses.translated(uri):
            # The type of opened files has no readinto, which every one of them has.
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))  # type: ignore[arg-type]
        return found.digest()

    def _copy_sync(self, uri: str, source: IO[bytes]) -> None:
        with self._addresses.translated(uri):
            path = local_path(uri)
            if path is None:
                with self._addresses.filesystem(uri).open(uri, "wb") as target:
                    shutil.copyfileobj(source, target)
                return
            with local_files.replacing(path, self._addresses.local_root(path)) as target:
                shutil.copyfileobj(source, target)

    def _download_sync(self, uri: str, path: Path) -> None:
        with self._addresses.translated(uri):
            source = local_path(uri)
            if source is not None:
                with (
                    local_files.open_regular(source, self._addresses.local_root(source)) as file,
                    path.open("wb") as target,
                ):
                    shutil.copyfileobj(file, target)
            else:
                self._addresses.filesystem(uri).get_file(uri, str(path))

    def _tree_sync(self, uri: str) -> list[str]:
        with self._addresses.translated(uri):
            folder = local_path(uri)
            if folder is not None:
                found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
                return sorted(path.relative_to(folder).as_posix() for path in found)
            base = uri.split("://", 1)[1].strip("/") + "/"
            return sorted(name.lstrip("/").removeprefix(base) for name in self._addresses.filesystem(uri).find(uri))

    def _page_sync(self, folder: str, after: str, limit: int) -> Page:
        with self._addresses.translated(folder + "/"):
            path = local_path(folder)
            if path is not None:
                return listing.of_files(path, after, limit)
            return listing.of_objects(self._addresses.filesystem(folder), folder, after, limit)

    def _delete_sync(self, uri: str) -> None:
        with contextlib.suppress(NotFound), self._addresses.translated(uri):
            path = local_path(uri)
            if path is not None:
                local_files.delete(path, self._addresses.local_root(path))
            else:
                self._addresses.filesystem(uri).rm_file(uri)

    def _delete_all_sync(self, folder: str, names: Sequence[str]) -> None:
        with contextlib.suppress(NotFound), self._addresses.translated(folder):
            path = Path(folder.removeprefix("file://"))
            local_files.delete_all(path, names, self._addresses.local_root(path))

    def _remove_below_sync(self, folder: str, keep: folders.Keep, limit: int) -> folders.Removed:
        with self._addresses.translated(folder):
            path = local_path(folder)
            if path is None:
                return folders.remove_remote(self._addresses.filesystem(folder), folder, keep, limit)
            return folders.remove_local(path, self._addresses.local_root(path), keep, limit)

    def _present_sync(self, folder: str, names: Collection[str]) -> set[str]:
        with self._addresses.translated(folder):
            path = Path(folder.removeprefix("file://"))
            try:
                return local_files.present(path, names, self._addresses.local_root(path))
            except FileNotFoundError:
                return set()
            except NotADirectoryError:  # Reading says what that means.
                return set(names)

    def _exists_sync(self, uri: str) -> bool:
        with self._addresses.translated(uri):
            path = local_path(uri)
            if path is not None:
                return local_files.is_regular(path, self._addresses.local_root(path))
            return bool(self._addresses.filesystem(uri).exists(uri))

    def _size_sync(self, uri: str) -> int:
        with self._addresses.translated(uri):
            path = local_path(uri)
            if path is not None:
                return local_files.size_bytes(path, self._addresses.local_root(path))
            return int(self._addresses.filesystem(uri).size(uri))

    def _presign_sync(self, verb: str, uri: str, lifetime: timedelta, md5: bytes, only_new: bool) -> str:
        seconds = int(lifetime.total_seconds())
        encoded = base64.b64encode(md5).decode()
        with self._addresses.translated(uri):
            filesystem = self._addresses.filesystem(uri)
            if uri.startswith("s3://"):
                method = "put_object" if verb == "PUT" else "get_object"
                extra = {"ContentMD5": encoded} if md5 else {}
                extra |= {"IfNoneMatch": "*"} if only_new else {}
                return str(filesystem.sign(uri, expiration=seconds, client_method=method, **extra))
            extra = {"content_md5": encoded} if md5 else {}
            return str(filesystem.sign(uri, expiration=seconds, method=verb, **extra))

    def _open_sync(self, uri: str) -> IO[bytes]:
        with self._addresses.translated(uri):
            path = local_path(uri)
            if path is not None:
                return local_files.open_regular(path, self._addresses.local_root(path))
            file: IO[bytes] = self._addresses.filesystem(uri).open(uri, "rb")
            return file
