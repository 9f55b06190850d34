"""Unpacked code distributions of fast registration. Each is fetched once and linked into the folder of each attempt."""

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
    """Return the folder of a distribution, which is fetched on first use. Safe to call from many processes.

    Raises:
        Exception: any error of ``download``; the cache is not changed then.
    """
    target = cache / key(uri)
    cache.mkdir(parents=True, exist_ok=True)
    if not target.is_dir():
        with _locked(target.with_suffix(".lock")):
            if not target.is_dir():
                _fetch(uri, target, download)
    with contextlib.suppress(OSError):
        os.utime(target)  # ``prune`` goes by the time of the last use.
    return target


def link(bundle: Path, directory: Path) -> None:
    """Link the content of the bundle into ``directory``, except for names that exist there.

    Links are cheap for bundles of any size. New files are written to ``directory``, compiled modules to the bundle.
    """
    for entry in bundle.iterdir():
        with contextlib.suppress(FileExistsError):
            (directory / entry.name).symlink_to(entry)


def prune(cache: Path) -> None:
    """Remove the bundles that have not been used for ``KEEP_SECONDS``."""
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
        # It is linked like the other entries, so modules at the top are compiled only once too.
        (scratch / "__pycache__").mkdir(exist_ok=True)
        scratch.chmod(0o755)
        scratch.rename(target)  # Only a complete bundle gets the name that others look for.
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def key(uri: str) -> str:
    """Return a name for the content at ``uri``. Uploads are named after their content, but local files can change."""
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
