"""A warm parent: it imports the code of a task, says what came of it, and serves attempts with forks of itself.

It never runs a task. It is a fork of the fork server, whose protocol it speaks over a socket of its own.
"""

import contextlib
import gc
import importlib
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from flytetemporal.plugins.local import limits, tracing
from flytetemporal.plugins.process import changes, child, entrypoints, messages, modules, process_state
from flytetemporal.plugins.process.entrypoints import Loaded
from flytetemporal.plugins.process.messages import Imported, Launch
from flytetemporal.plugins.process.serving import ForkServer
from flytetemporal.plugins.process.warm import keys, observing
from flytetemporal.plugins.process.warm.observing import Observed
from flytetemporal.plugins.process.warm.warmth import Warmth

OUTPUT_BYTES = 64 * 1024
"""What an import prints is repeated in the log of each attempt, up to this size."""
_LOG = "import.log"


class Cold(Exception):
    """Attempts cannot be forks of this process; the text says why."""


def become(
    launch: Launch, folder: Path, server: int, private: Iterable[int], loaded: Loaded, control: socket.socket
) -> NoReturn:
    """Turn this fork of the server into a warm parent for attempts like ``launch``. Never returns and never raises.

    Args:
        launch: The first of these attempts.
        folder: Where it works; only it uses it.
        server: The process id of the server.
        private: The file descriptors of the server.
        loaded: What the server has loaded.
        control: The socket by which the server asks for forks.
    """
    try:
        for descriptor in private:
            os.close(descriptor)
        _detach(launch, folder, server)
        known, started_at = changes.loaded_files(), time.time()
        problem, warmth = "", None
        try:
            _prepare(launch, folder / "root", loaded)
            started_at = time.time()
            warmth = _warmth(_import(launch), folder, server)
        except Cold as e:
            problem = str(e)
        except BaseException as e:
            problem = f"its import raises {type(e).__name__}"
        seconds = round(time.time() - started_at, 3)
        files = _files(known, started_at)
        control.sendall(messages.encode(Imported(problem, files, _private_bytes(), seconds)))
        if warmth is not None:
            _serve(control, loaded, warmth)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(0)


def _detach(launch: Launch, folder: Path, server: int) -> None:
    os.setsid()
    child.die_with(server)
    child.adopt_orphans()  # To kill what attempts leave running, as the server does.
    process_state.reset_signals()
    (folder / "root").mkdir(parents=True)
    (folder / "tmp").mkdir()
    process_state.redirect_output(str(folder / _LOG))
    os.chdir(folder / "root")
    process_state.set_environment({**launch.environment, "TMPDIR": str(folder / "tmp")})
    limits.prefer_as_victim()
    tracing.give_up()
    if launch.memory_bytes:
        limits.limit_memory(launch.memory_bytes)  # Forks inherit the limit, so that the import counts.


def _prepare(launch: Launch, root: Path, loaded: Loaded) -> None:
    process_state.configure_streams()
    entrypoints.refresh(loaded, root)
    # An import that asks for the folder must read TMPDIR, which is another one in each attempt.
    tempfile.tempdir = None
    _fetch(launch)
    prepared = entrypoints.prepare(launch.command, root, Path(launch.bundles))
    if not entrypoints.can_run_here(prepared.command, launch.environment, loaded):
        raise Cold("its environment needs a new interpreter")
    sys.argv[:] = [entrypoints.EXECUTE]
    entrypoints.extend_path(prepared.path)
    if str(root) not in sys.path:
        sys.path.append(str(root))  # As flytekit does with the working directory.


def _import(launch: Launch) -> Observed:
    contexts = importlib.import_module("flytekit.core.context_manager")
    observed = Observed(keys.of_attempt(launch))
    with observed.observing():
        importlib.import_module(keys.module_of(launch.command))
    importlib.import_module("flytekit.core.type_engine").TypeEngine.lazy_import_transformers()
    entrypoints.stop_loops()
    while contexts.FlyteContextManager.size() > 1:
        contexts.FlyteContextManager.pop_context()
    observed.look()
    if observed.reasons:
        raise Cold(f"its import {', '.join(observed.reasons[:3])}")
    return observed


def _fetch(launch: Launch) -> None:
    """Fetch the code in a process of its own, since flytekit starts threads for that."""
    if launch.command[0] != entrypoints.FAST_EXECUTE:
        return
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            entrypoints.fetch(launch.command, Path(launch.bundles))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if status:
        raise Cold("its code cannot be fetched")


def _warmth(observed: Observed, folder: Path, server: int) -> Warmth:
    sys.stdout.flush()
    sys.stderr.flush()
    root = str(folder / "root")
    files = [
        (module, os.path.basename(path))
        for module, namespace in modules.namespaces()
        if isinstance(path := namespace.get("__file__"), str) and os.path.dirname(path) == root
    ]
    with (folder / _LOG).open("rb") as log:
        output = log.read(OUTPUT_BYTES)
    return Warmth(
        server=server,
        root=root,
        files=tuple(files),
        handlers=observed.handlers,
        random_state=observed.random_state,
        numpy_seeded=observing.numpy_is_seeded(),
        output=output,
    )


def _serve(control: socket.socket, loaded: Loaded, warmth: Warmth) -> None:
    importlib.invalidate_caches()
    gc.collect()
    gc.freeze()
    ForkServer(control, loaded, warmth).serve()


def _files(known: Mapping[str, changes.Stamp], since: float) -> dict[str, changes.Stamp]:
    """Return the stamps of the files that the import has loaded.

    A file that is newer than the import may have been read before it was written, and gets a stamp that it never has.
    """
    files = {path: stamp for path, stamp in changes.loaded_files().items() if path not in known}
    return {path: stamp if stamp[0] < since * 1e9 else (-1, -1) for path, stamp in files.items()}


def _private_bytes() -> int:
    """Return the bytes that no other process shares, or 0 if the system does not show them."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_", "Swap:")))
    return 0
