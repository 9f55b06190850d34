"""Remove folders of the object store, some files at a time."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flytetemporal.storage import local_files

Keep = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal came to. ``more``: it has stopped at its limit, and files may be left."""

    removed: int = 0
    kept: int = 0
    more: bool = False


def remove_local(folder: Path, root: Path, keep: Keep, limit: int) -> Removed:
    """Remove files below a folder, and folders that are empty then. Links are removed, and never followed.

    ``keep`` says of a name whether its file stays.
    """
    removed = kept = 0
    try:
        parent = local_files.open_parent(folder, root, make=False)
    except FileNotFoundError:
        return Removed()
    try:
        for _, folders, files, descriptor in os.fwalk(folder.name, topdown=False, dir_fd=parent):
            for name in files:
                if keep(name):
                    kept += 1
                    continue
                if removed == limit:
                    return Removed(removed, kept, more=True)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=descriptor)
                removed += 1
            for name in folders:
                _remove_folder(name, descriptor)
        _remove_folder(folder.name, parent)
    except FileNotFoundError:  # The folder itself.
        return Removed(removed, kept)
    finally:
        os.close(parent)
    return Removed(removed, kept)


def remove_remote(filesystem: Any, uri: str, keep: Keep, limit: int) -> Removed:
    """Remove objects below a prefix; see ``remove_local``."""
    # Other processes write there, and fsspec remembers what it has listed before.
    filesystem.invalidate_cache(uri)
    found: list[str] = filesystem.find(uri)
    gone = [path for path in found if not keep(path.rpartition("/")[2])]
    if gone:
        filesystem.rm(gone[:limit])
    return Removed(min(len(gone), limit), len(found) - len(gone), more=len(gone) > limit)


def _remove_folder(name: str, descriptor: int) -> None:
    try:
        os.rmdir(name, dir_fd=descriptor)
    except NotADirectoryError:  # A link to a folder.
        os.unlink(name, dir_fd=descriptor)
    except OSError:  # It is gone, or not empty: a file in it stays.
        return
