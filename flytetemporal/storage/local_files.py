"""Read files of a store that is a folder, to which tasks can write.

A task can create anything where the worker and admin read afterwards: a link to an endless device or to another user's
file, a FIFO without a writer, a file that keeps growing. So links below the root of the store are not followed, only
regular files are read, and every read has a limit.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from flytetemporal.errors import InvalidRequest, LinkedFolder, ValueTooLarge

_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening a FIFO without O_NONBLOCK would wait for a writer.
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LINK_ERRORS = (errno.ELOOP, errno.EMLINK)
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def open_regular(path: Path, root: Path) -> IO[bytes]:
    """Open a file for reading. Links above ``root`` are the operator's and are followed; links below it are not.

    Args:
        path: An absolute path. Outside of ``root`` only its last part is checked.
        root: The folder that tasks can write to.

    Raises:
        OSError: the file cannot be opened; ``FileNotFoundError`` if it does not exist.
        InvalidRequest: it is not a regular file, or a part of its path below ``root`` is a link.
    """
    try:
        descriptor = _open(path, root)
    except OSError as e:
        # A link in the middle of the path fails as "not a directory", one at its end with ELOOP.
        if e.errno in _LINK_ERRORS or (e.errno == errno.ENOTDIR and _first_link(path, root)):
            raise _link_error(path, root) from e
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    os.close(descriptor)
    if is_directory:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise InvalidRequest(f"{path} is not a regular file: FIFOs, devices and sockets are not read")


def read(path: Path, root: Path, limit_bytes: int) -> bytes:
    """Return the content of a file that ``open_regular`` opens.

    Raises:
        ValueTooLarge: it has more than ``limit_bytes``.
    """
    with open_regular(path, root) as file:
        # The size says what need not be read, the limit of the read stops a file that keeps growing.
        if os.fstat(file.fileno()).st_size > limit_bytes:
            raise too_large(str(path), limit_bytes)
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise too_large(str(path), limit_bytes)
    return data


def size_bytes(path: Path, root: Path) -> int:
    """Return the size of a file that ``open_regular`` opens."""
    with open_regular(path, root) as file:
        return os.fstat(file.fileno()).st_size


def is_regular(path: Path, root: Path) -> bool:
    """Whether ``open_regular`` would open the file: links and special files count as absent."""
    try:
        open_regular(path, root).close()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, InvalidRequest):
        return False
    return True


@contextlib.contextmanager
def replacing(path: Path, root: Path) -> Iterator[IO[bytes]]:
    """Yield a new file that takes the place of ``path`` when the context ends without an error.

    Missing folders are made. Links below ``root`` are not followed: a task can replace its folder by a link to that of
    another one, where it would let the worker write.

    Raises:
        InvalidRequest: a folder below ``root`` is a link or a file, or ``path`` is a folder.
    """
    with _new_file(path, root) as (folder, temporary, file):
        yield file
        file.close()
        os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)


@contextlib.contextmanager
def creating(path: Path, root: Path) -> Iterator[IO[bytes]]:
    """Yield a new file that becomes ``path`` when the context ends without an error, as ``replacing`` does.

    Raises:
        FileExistsError: ``path`` exists when the context ends.
        InvalidRequest: a folder below ``root`` is a link or a file, or ``path`` is a folder.
    """
    with _new_file(path, root) as (folder, temporary, file):
        yield file
        file.close()
        try:
            os.link(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(temporary, dir_fd=folder)
        except OSError as e:
            if e.errno == errno.EEXIST and path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path)) from e
            if e.errno not in _NO_HARD_LINKS:
                raise
            # Readers can see the empty file that reserves the name.
            os.close(os.open(path.name, _NEW_FILE, 0o666, dir_fd=folder))
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)


@contextlib.contextmanager
def _new_file(path: Path, root: Path) -> Iterator[tuple[int, str, IO[bytes]]]:
    """Yield the opened folder of ``path`` and a temporary file in it, which is deleted after an error."""
    try:
        with _temporary_file(path, root) as opened:
            yield opened
    except NotADirectoryError as e:
        raise InvalidRequest(f"{path} cannot be written: a folder of its path is a file") from e
    except IsADirectoryError as e:
        raise InvalidRequest(f"{path} cannot be written: it is a folder") from e


@contextlib.contextmanager
def _temporary_file(path: Path, root: Path) -> Iterator[tuple[int, str, IO[bytes]]]:
    folder = open_parent(path, root, make=True)
    temporary = f".{path.name[:100]}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(temporary, _NEW_FILE, 0o666, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield folder, temporary, file
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
    finally:
        os.close(folder)


def delete(path: Path, root: Path) -> None:
    """Delete a file, or a link itself. Links to folders below ``root`` are not followed.

    Raises:
        InvalidRequest: a folder below ``root`` is a link.
    """
    folder = open_parent(path, root, make=False)
    try:
        os.unlink(path.name, dir_fd=folder)
    finally:
        os.close(folder)


def delete_all(folder: Path, names: Iterable[str], root: Path) -> None:
    """Delete files of one folder, as far as they exist; see ``delete``."""
    opened = open_parent(folder / "file", root, make=False)
    try:
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=opened)
    finally:
        os.close(opened)


def present(folder: Path, names: Iterable[str], root: Path) -> set[str]:
    """Return the names that exist in a folder, whatever they are: also links, directories and special files.

    Raises:
        OSError: the folder cannot be opened.
        InvalidRequest: a folder below ``root`` is a link.
    """
    opened = open_parent(folder / "file", root, make=False)
    try:
        return {name for name in names if _exists(name, opened)}
    finally:
        os.close(opened)


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def open_parent(path: Path, root: Path, *, make: bool) -> int:
    """Open the folder of ``path`` part by part from ``root`` on, so that no link below it is followed."""
    if not path.is_relative_to(root):
        root = path.parent
    if make:
        root.mkdir(parents=True, exist_ok=True)
    current = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        for folder in path.relative_to(root).parts[:-1]:
            below = _open_or_make(folder, current) if make else os.open(folder, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = below
    except BaseException as e:
        os.close(current)
        if isinstance(e, OSError) and e.errno in (*_LINK_ERRORS, errno.ENOTDIR) and _first_link(path.parent, root):
            raise _link_error(path, root) from e
        raise
    return current


def _open_or_make(name: str, folder: int) -> int:
    with contextlib.suppress(FileNotFoundError):  # Most exist, and making one that exists costs more than opening it.
        return os.open(name, _DIRECTORY, dir_fd=folder)
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
    return os.open(name, _DIRECTORY, dir_fd=folder)


def _link_error(path: Path, root: Path) -> InvalidRequest:
    link = _first_link(path, root) or path
    if link == path:
        return InvalidRequest(f"{path} is a link: links in the object store are not followed")
    return LinkedFolder(f"{link} is a link, so {path.name} is not read: links in the object store are not followed")


def too_large(name: str, limit_bytes: int) -> ValueTooLarge:
    """Return the error for an object that has more than ``limit_bytes``."""
    return ValueTooLarge(f"{name} has more than {limit_bytes} bytes, which is the limit for reading it")


def _open(path: Path, root: Path) -> int:
    """Open the path part by part, each relative to the one before.

    A check of the whole path before opening it would race with tasks that replace a folder by a link.
    """
    if not path.is_relative_to(root):
        return os.open(path, _FILE)
    *folders, name = path.relative_to(root).parts or (".",)
    # The root itself can be a link: it is the operator's choice.
    current = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    try:
        for folder in folders:
            below = os.open(folder, _DIRECTORY, dir_fd=current)
            os.close(current)
            current = below
        return os.open(name, _FILE, dir_fd=current)
    finally:
        os.close(current)


def _first_link(path: Path, root: Path) -> Path | None:
    """Return the first part of ``path`` below ``root`` that is a link."""
    if not path.is_relative_to(root):
        return None
    current = root
    for part in path.relative_to(root).parts:
        current = current / part
        if current.is_symlink():
            return current
    return None
