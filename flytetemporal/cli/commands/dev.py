"""``flytetemporal dev``: the whole stack as one process tree with its state in one folder."""

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from flytetemporal.cli.dev import client_config, home, ports, postgres, temporal_server
from flytetemporal.cli.dev.home import Home
from flytetemporal.cli.dev.progress import Progress
from flytetemporal.cli.dev.stack import Endpoints, Stack
from flytetemporal.cli.dev.supervisor import Supervisor
from flytetemporal.cli.problems import CommandFailed
from flytetemporal.cli.wiring.notify import Listener

EXTERNAL_DATABASE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options."""

    home: Path
    grpc_port: int
    http_port: int
    temporal_port: int
    ui_port: int
    database_url: str
    reset: bool
    write_config: bool
    max_tasks: int
    memory_limits: bool


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), default=home.default_folder, help="State folder.", show_default=True
)
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0: a free one.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=8088, show_default=True, help="0: a free one.")
@click.option("--temporal-port", type=click.IntRange(0, 65535), default=7233, show_default=True, help="0: a free one.")
@click.option("--ui-port", type=click.IntRange(0, 65535), default=8233, show_default=True, help="0: a free one.")
@click.option("--database-url", default="", help="Use this Postgres (postgresql://...) instead of the embedded one.")
@click.option(
    "--max-tasks", type=click.IntRange(0), default=0, show_default=True, help="Tasks that run at once; 0: 2 a CPU."
)
@click.option("--memory-limits", is_flag=True, help="Make the memory that tasks ask for a limit on their processes.")
@click.option("--reset", is_flag=True, help="Forget what earlier runs left in the state folder.")
@click.option(
    "--write-config/--no-write-config",
    default=True,
    show_default=True,
    help="Point ~/.flyte/config.yaml at this stack, so that pyflyte and flytectl find it.",
)
def dev(**options: object) -> None:
    """Run everything on this machine: Temporal, Postgres, the Flyte API and a worker."""
    run(Options(**options))  # type: ignore[arg-type]


def run(options: Options) -> None:
    """Run the stack until it is told to stop.

    Raises:
        CommandFailed: it cannot start, or a part of it cannot be kept alive.
    """
    folder = Home(options.home.expanduser().absolute())
    with home.held(folder):
        if options.reset:
            home.reset(folder)
        postgres.check_version(folder)
        stack = Stack(
            folder,
            _endpoints(options),
            home.load_secrets(folder),
            external_database=_external_database(options.database_url),
            max_tasks=options.max_tasks,
            memory_limits=options.memory_limits,
        )
        notes = [note] if (note := temporal_server.set_old_database_aside(folder)) else []
        wanted = client_config.settings(stack.endpoints.grpc_port, stack.endpoints.http_port)
        client_config.write(folder.client_config, wanted)
        if options.write_config:
            notes.append(client_config.merge(client_config.default_path(), wanted))
            if elsewhere := client_config.overruled_by():
                notes.append(f"[yellow]but pyflyte reads {elsewhere} first[/yellow]")
        else:
            notes.append(f"Clients: export FLYTECTL_CONFIG={folder.client_config}")
        try:
            asyncio.run(_supervise(stack, notes))
        finally:
            folder.state.unlink(missing_ok=True)


def _endpoints(options: Options) -> Endpoints:
    claimed = ports.claim(
        {
            "--grpc-port": options.grpc_port,
            "--http-port": options.http_port,
            "--temporal-port": options.temporal_port,
            "--ui-port": options.ui_port,
            "postgres": 0,
        }
    )
    return Endpoints(
        grpc_port=claimed["--grpc-port"],
        http_port=claimed["--http-port"],
        temporal_port=claimed["--temporal-port"],
        ui_port=claimed["--ui-port"],
        postgres_port=claimed["postgres"],
    )


def _external_database(url: str) -> str:
    """Return the URL with the driver we use named in it; nothing for nothing.

    Raises:
        CommandFailed: nobody answers there.
    """
    if not url:
        return ""
    scheme, _, rest = url.partition("://")
    parts = urlsplit(f"postgresql://{rest}")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise CommandFailed("--database-url must be like postgresql://user:password@host:5432/database")
    host, port = parts.hostname, parts.port or 5432
    if host and not ports.answers(port, host, EXTERNAL_DATABASE_SECONDS):
        raise CommandFailed(f"no Postgres answers at {host}:{port}: start it, or mend --database-url")
    return f"postgresql+psycopg://{rest}"


class _Run:
    """One run of the stack: the supervisor, what the user sees of it, and the state file."""

    def __init__(self, stack: Stack, notes: Sequence[str]) -> None:
        self._stack = stack
        self._notes = notes
        self._ready = False
        self._progress = Progress(Console())
        self._listener = Listener(self._heard)
        self._supervisor = Supervisor(stack.stages(self._listener.address), self._changed)
        self._retention: asyncio.Task[None] | None = None

    async def to_the_end(self) -> None:
        """Start everything; return after everything was stopped on request."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        self._progress.watch(self._supervisor.children)
        try:
            await self._supervisor.run(self._all_ready)
        finally:
            self._progress.close()
            self._listener.close()

    def _heard(self, pid: int, status: str, ready: bool) -> None:
        self._supervisor.heard(pid, status, ready)

    def _changed(self) -> None:
        self._progress.changed()
        self._publish()

    def _publish(self) -> None:
        pids = {child.spec.name: child.pid for child in self._supervisor.children}
        home.write_state(self._stack.home, self._stack.state(pids, ready=self._ready))

    def _all_ready(self) -> None:
        self._ready = True
        self._publish()
        self._progress.ready(self._stack, self._notes)
        keeping = temporal_server.keep_history_longer(
            self._stack.endpoints.temporal_port, self._stack.home.logs / "temporal.log"
        )
        self._retention = asyncio.create_task(keeping)

    def _stop(self) -> None:
        self._progress.stopping()
        self._supervisor.request_stop()


async def _supervise(stack: Stack, notes: Sequence[str]) -> None:
    await _Run(stack, notes).to_the_end()
