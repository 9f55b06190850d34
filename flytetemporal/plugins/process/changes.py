"""Detect that code on disk has changed since a fork server has loaded it.

The files of loaded modules count, and the installed distributions, since a new one can bring a plugin of flytekit. The
standard library is taken as fixed. Modules that the server has not loaded do not count: forks load them from disk.
"""

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping

from flytetemporal.plugins.process import modules

Stamp = tuple[int, int]
_DISTRIBUTION = (".dist-info", ".egg-info", ".egg-link", ".pth")
_ABSENT: Stamp = (0, 0)


def loaded_files() -> dict[str, Stamp]:
    """Return the stamps of the files that this interpreter has loaded, and of the distributions on its path."""
    paths = {*_module_files(), *_distributions(sys.path)}
    # The stamp of a folder changes when a distribution is installed or removed.
    return {path: stamp(path) for path in paths}


def changed(files: Mapping[str, Stamp]) -> str:
    """Return the first path whose stamp is not the recorded one, or an empty text."""
    return next((path for path, recorded in files.items() if stamp(path) != tuple(recorded)), "")


def stamp(path: str) -> Stamp:
    """Return the modification time of ``path`` in nanoseconds and its size; zeros if it does not exist."""
    try:
        status = os.stat(path)
    except OSError:
        return _ABSENT
    return status.st_mtime_ns, status.st_size


def _module_files() -> Iterator[str]:
    standard = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib"))
    packages = tuple(os.path.join(sysconfig.get_path(name), "") for name in ("purelib", "platlib"))
    for _, namespace in modules.namespaces():
        path = namespace.get("__file__")
        if path and (path.startswith(packages) or not path.startswith(standard)):
            yield path


def _distributions(folders: list[str]) -> Iterator[str]:
    for folder in folders:
        try:
            entries = os.listdir(folder)
        except OSError:
            continue
        installed = [os.path.join(folder, entry) for entry in entries if entry.endswith(_DISTRIBUTION)]
        if installed:
            yield folder
            yield from installed
