"""Has code on disk changed since a fork server loaded it?

Two things count: the files of loaded modules, and the distributions installed beside them (a new one may bring a plugin
of flytekit). The standard library is taken as fixed. Modules that the server has not loaded do not matter: forks look
them up for themselves.
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
    """Return the stamps of what this interpreter has loaded, and of what is installed on its path."""
    paths = {*_module_files(), *_distributions(sys.path)}
    # A folder's stamp changes whenever a distribution comes or goes; one without distributions is of no interest.
    return {path: stamp(path) for path in paths}


def changed(files: Mapping[str, Stamp]) -> str:
    """Return the first path whose stamp is no longer the recorded one, or an empty text."""
    return next((path for path, recorded in files.items() if stamp(path) != tuple(recorded)), "")


def stamp(path: str) -> Stamp:
    """Return when ``path`` was last changed, and its size; zeros when it is not there."""
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
