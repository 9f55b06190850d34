"""List the objects below a folder page by page, in the order of the store.

A page costs what its objects cost, however many objects there are, except in stores for which fsspec has no pages.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

# A file that has changed this recently may still be written. It is listed once it has not.
QUIET_SECONDS = 2.0
# Of S3 and GCS. File systems have longer names, which are left out.
MAX_NAME_BYTES = 1024


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its name below the folder, and what changes whenever it is written."""

    name: str
    version: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Objects, and the name after which the next page starts; empty after the last page."""

    objects: Sequence[StoredObject]
    next_after: str = ""


def of_files(folder: Path, after: str, limit: int) -> Page:
    """Return the files below a folder that come after a name.

    Links are not followed. Left out are files whose name starts with a dot, which writers rename in the end, and files
    that have just changed.
    """
    files = list(islice(_files(folder, "", after), limit))
    now = time.time()
    quiet = [_file(name, status) for name, status in files if not 0 <= now - status.st_mtime < QUIET_SECONDS]
    return Page(quiet, files[-1][0] if len(files) == limit else "")


def _files(folder: Path, below: str, after: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files in the order that object stores have, in which a slash is a character as any other."""
    for name, entry in sorted(_entries(folder, below)):
        if entry.is_dir(follow_symlinks=False):
            # All names in it start with its own.
            if name > after or after.startswith(name):
                yield from _files(folder / entry.name, name, after)
        elif name > after and entry.is_file(follow_symlinks=False):
            try:
                yield name, entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # Deleted since.
                continue


def _entries(folder: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as found:
            entries = list(found)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if not entry.name.startswith(".") and _is_text(entry.name):
            yield below + entry.name + ("/" if entry.is_dir(follow_symlinks=False) else ""), entry


def _file(name: str, status: os.stat_result) -> StoredObject:
    version = f"{status.st_mtime_ns}-{status.st_size}"
    return StoredObject(name, version, datetime.fromtimestamp(status.st_mtime, UTC))


def of_objects(filesystem: Any, uri: str, after: str, limit: int) -> Page:
    """Return the objects of a store below a folder that come after a name; ``limit`` is at most 1,000."""
    return (_of_s3 if uri.startswith("s3://") else _of_others)(filesystem, uri, after, limit)


def _of_s3(filesystem: Any, uri: str, after: str, limit: int) -> Page:
    bucket, _, prefix = uri.split("://", 1)[1].rstrip("/").partition("/")
    prefix = f"{prefix}/" if prefix else ""
    start = {"StartAfter": prefix + after} if after else {}
    answer = filesystem.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=limit, **start)
    found = answer.get("Contents", [])
    objects = [
        StoredObject(
            one["Key"].removeprefix(prefix),
            # The same content that is written again has the same ETag.
            f"{one['ETag'].strip(chr(34))}-{int(one['LastModified'].timestamp() * 1000)}",
            one["LastModified"],
        )
        for one in found
        if _is_object(one["Key"].removeprefix(prefix))
    ]
    return Page(objects, found[-1]["Key"].removeprefix(prefix) if answer.get("IsTruncated") and found else "")


def _of_others(filesystem: Any, uri: str, after: str, limit: int) -> Page:
    # fsspec has no pages for these, so every page lists the whole folder.
    base = uri.split("://", 1)[1].strip("/") + "/"
    filesystem.invalidate_cache()
    found = {path.lstrip("/").removeprefix(base): about for path, about in filesystem.find(uri, detail=True).items()}
    names = sorted(name for name in found if name > after and _is_object(name))[: limit + 1]
    objects = [_described(name, found[name]) for name in names[:limit]]
    return Page(objects, names[limit - 1] if len(names) > limit else "")


def _described(name: str, about: dict[str, Any]) -> StoredObject:
    modified = about.get("mtime") or about.get("updated") or about.get("created")
    if isinstance(modified, int | float):
        moment = datetime.fromtimestamp(modified, UTC)
    else:
        moment = modified if isinstance(modified, datetime) else datetime.fromisoformat(str(modified))
    version = about.get("generation") or f"{moment.timestamp()}-{about.get('size')}"
    return StoredObject(name, str(version), moment)


def _is_object(name: str) -> bool:
    # Consoles make empty objects that stand for folders.
    return bool(name) and not name.endswith("/") and _is_text(name)


def _is_text(name: str) -> bool:
    """Whether a name can be stored and sent: file systems also have names that are no UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name and len(name.encode()) <= MAX_NAME_BYTES
