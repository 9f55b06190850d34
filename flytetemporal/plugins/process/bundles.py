"""Unpacked code distributions of fast registration: each fetched once, then seen by every attempt as its own folder."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KEEP_SECONDS = 14 * 24 * 3600
_ARCHIVE = ".tar.gz"

Download = Callable[[str, str], object]
"""Fetches the distribution at a URI and unpacks it into a folder."""


def unpacked(uri: str, cache: Path, download: Download) -> Path:
    """Return the folder of a distribution, fetching it when nobody did before. Safe to call from many processes.

    Raises:
        Exception: whatever ``download`` raises; the cache stays as it was.
    """
    target = cache / _key(uri)
    cache.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        with _locked(target.with_suffix(".lock")):
            if not target.is_dir():
                _fetch(uri, target, download)
    with contextlib.suppress(OSError):  # The time of use, for ``prune``.
        os.utime(target)
    return target


def link(bundle: Path, directory: Path) -> None:
    """Show the bundle's content in ``directory``; what is there already stays.

    Links keep this cheap for bundles of any size; new files land in ``directory``, compiled modules in the bundle.
    """
    for entry in bundle.iterdir():
        with contextlib.suppress(FileExistsError):
            (directory / entry.name).symlink_to(entry)


def prune(cache: Path) -> None:
    """Remove the bundles that nobody has used for a long time."""
    oldest = time.time() - KEEP_SECONDS
    for bundle in cache.iterdir() if cache.is_dir() else ():
        if bundle.is_dir() and bundle.stat().st_mtime < oldest:
            shutil.rmtree(bundle, ignore_errors=True)
            bundle.with_suffix(".lock").unlink(missing_ok=True)


def _fetch(uri: str, target: Path, download: Download) -> None:
    scratch = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        download(uri, str(scratch))
        if uri.endswith(_ARCHIVE):
            (scratch / uri.rsplit("/", 1)[-1]).unlink(missing_ok=True)
        # Linked like the rest, so that modules at the top are compiled once as well.
        (scratch / "__pycache__").mkdir(exist_ok=True)
        scratch.chmod(0o755)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _key(uri: str) -> str:
    """Return a name for the content at ``uri``: uploads are named after their content, local files may change."""
    stamp = ""
    if uri.startswith(("file://", "/")):
        status = os.stat(uri.removeprefix("file://"))
        stamp = f"{status.st_mtime_ns} {status.st_size}"
    return hashlib.sha256(f"{uri} {stamp}".encode()).hexdigest()[:32]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
