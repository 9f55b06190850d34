"""The fork server: ``python -m flytetemporal.plugins.process.forkserver``, one process under each worker.

It loads flytekit once, then forks a process for each command that its worker sends (``serving``), and keeps the code of
tasks imported if it may use memory for that (``warm``). Its standard input is a socket to the worker. When that closes,
the worker is gone, and the server kills everything that still runs.
"""

import argparse
import dataclasses
import gc
import importlib
import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

from flytetemporal.plugins.process import changes, child, entrypoints, messages, rehearsal, store_library
from flytetemporal.plugins.process.entrypoints import Loaded
from flytetemporal.plugins.process.messages import Ready
from flytetemporal.plugins.process.serving import ForkServer
from flytetemporal.plugins.process.warm.server import WarmingServer

_UNREHEARSED = "--unrehearsed"


def main() -> None:
    """Serve the worker at standard input."""
    options = _options()
    child.adopt_orphans()
    problem = _load_flytekit()
    if not problem and not options.unrehearsed:
        _rehearse()
    if not problem:
        entrypoints.adapt()
        store_library.load(options.store)
    control = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    importlib.invalidate_caches()  # Here once, and not in each fork: it writes to hundreds of objects.
    loaded = None if problem else Loaded.now()
    files = changes.loaded_files()
    gc.collect()
    gc.freeze()  # A garbage collection in a fork would write to every page of the server, and so copy it.
    threads = _thread_count()
    if loaded is not None and threads > 1:
        problem = f"importing flytekit started {threads - 1} threads"
        loaded = dataclasses.replace(loaded, single_threaded=False)
    try:
        control.sendall(messages.encode(Ready(files, problem)))
    except (BrokenPipeError, ConnectionResetError):  # The worker is gone.
        return
    server: ForkServer
    if options.warm_memory:
        server = WarmingServer(control, loaded, Path(tempfile.gettempdir()), options.warm_memory)
    else:
        server = ForkServer(control, loaded)
    server.serve()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="forkserver")
    parser.add_argument(
        "--warm-memory", type=int, default=0, metavar="BYTES", help="for imported code; 0: none is kept"
    )
    parser.add_argument("--store", default="", metavar="SCHEME", help="of the URIs of the object store")
    parser.add_argument(_UNREHEARSED, action="store_true", help="do not rehearse a task")
    return parser.parse_args()


def _load_flytekit() -> str:
    """Import flytekit; return why that fails, or an empty text."""
    outside = entrypoints.EXECUTION_VARIABLE not in os.environ
    if outside:  # flytekit sets up other loggers outside of an execution.
        os.environ[entrypoints.EXECUTION_VARIABLE] = "none"
    try:
        importlib.import_module(entrypoints.ENTRYPOINT)
    except BaseException as e:  # Plugins of flytekit can raise anything. Other programs can still run.
        return f"flytekit cannot be imported: {type(e).__name__}: {e}"
    finally:
        if outside:
            del os.environ[entrypoints.EXECUTION_VARIABLE]
    return ""


def _rehearse() -> None:
    """Rehearse a task, or start again without if that is impossible. Standard input is still the worker's socket."""
    try:
        rehearsal.rehearse()
    except rehearsal.Failed as e:
        print(f"the fork server is slow, since it cannot rehearse a task: {e}", file=sys.stderr, flush=True)  # noqa: T201
        os.execv(sys.executable, [sys.executable, "-P", "-m", __spec__.name, *sys.argv[1:], _UNREHEARSED])


def _thread_count() -> int:
    """Return the number of threads, with those of C libraries if the system shows them."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


if __name__ == "__main__":
    main()
