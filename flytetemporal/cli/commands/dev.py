"""``flytetemporal dev``: runs the whole stack as one process tree, with its state in one folder."""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from flytetemporal.cli.dev import client_config, local_users, ports, postgres, state_folder, temporal_server
from flytetemporal.cli.dev.progress import Progress
from flytetemporal.cli.dev.stack import Endpoints, Stack
from flytetemporal.cli.dev.state_folder import Secrets, StateFolder
from flytetemporal.cli.dev.supervisor import Supervisor
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.serving import privacy
from flytetemporal.cli.serving.notifications import NotificationSocket
from flytetemporal.cli.wiring import configuration
from flytetemporal.cli.wiring.settings_files import documents

EXTERNAL_DATABASE_SECONDS = 5.0
PASSWORD_VARIABLE = "FLYTETEMPORAL_DEV_DATABASE_PASSWORD"  # noqa: S105  a name
"""The password of the embedded database, for users who want to log in; by default a new one that only admin gets."""


TLS_VARIABLES = (
    "FLYTETEMPORAL_ADMIN__TLS_CERTIFICATE",
    "FLYTETEMPORAL_ADMIN__TLS_KEY",
    "FLYTETEMPORAL_WORKER__ADMIN_TLS",
    "FLYTETEMPORAL_TEMPORAL__TLS",
)


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options."""

    home: Path
    grpc_port: int
    http_port: int
    temporal_port: int
    ui_port: int
    database_url: str
    store: str
    reset: bool
    write_config: bool
    max_tasks: int
    memory_limits: bool
    auth: bool
    config: tuple[str, ...]


@click.command()
@click.option(
    "--home",
    type=click.Path(path_type=Path),
    default=state_folder.default_path,
    help="State folder.",
    show_default=True,
)
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0: any free port.")
@click.option("--http-port", type=click.IntRange(0, 65535), default=8088, show_default=True, help="0: any free port.")
@click.option(
    "--temporal-port", type=click.IntRange(0, 65535), default=7233, show_default=True, help="0: any free port."
)
@click.option("--ui-port", type=click.IntRange(0, 65535), default=8233, show_default=True, help="0: any free port.")
@click.option(
    "--database-url",
    default="",
    envvar="FLYTETEMPORAL_DEV_DATABASE_URL",
    show_envvar=True,
    help="Use this Postgres (postgresql://...) instead of the embedded one. As a variable it is hidden from `ps`.",
)
@click.option(
    "--store",
    default="",
    help="Use this object store (s3://... or gs://...) instead of a folder; its options come from "
    "FLYTETEMPORAL_STORAGE__OPTIONS, a JSON object.",
)
@click.option(
    "--max-tasks",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Task processes that run at once; 0: two per CPU.",
)
@click.option("--memory-limits", is_flag=True, help="Limit the memory of task processes to what the task requests.")
@click.option("--auth", is_flag=True, help="Let calls need sign-in, with users of three roles, who are printed.")
@configuration.option
@click.option("--reset", is_flag=True, help="Delete the state of earlier runs first.")
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
    """Run the stack until a signal stops it.

    Raises:
        CommandError: the stack cannot start, or one of its processes keeps dying.
    """
    privacy.hide_memory()
    _refuse_tls(os.environ)
    # Each process would refuse a wrong setting when it starts, which takes longer, and would say so in its log.
    configuration.check_encryption(options.config)
    _refuse_tls_of_files(options.config)
    folder = StateFolder(options.home.expanduser().absolute())
    with state_folder.locked(folder):
        if options.reset:
            state_folder.reset(folder)
        postgres.check_version(folder)
        stack = Stack(
            folder,
            _endpoints(options),
            Secrets.new(os.environ.get(PASSWORD_VARIABLE, "")),
            external_database=_external_database(options.database_url),
            external_store=_external_store(options.store),
            max_tasks=options.max_tasks,
            memory_limits=options.memory_limits,
            sign_in=options.auth,
            config=tuple(str(Path(file).absolute()) for file in documents.paths(options.config)),
        )
        notes = _sign_in_notes(stack)
        notes += [note] if (note := temporal_server.move_old_database(folder)) else []
        wanted = client_config.settings(stack.endpoints.grpc_port, stack.endpoints.http_port, sign_in=options.auth)
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


def _sign_in_notes(stack: Stack) -> list[str]:
    """Write the files of users if there is sign-in; return what the user reads about them."""
    return local_users.notes(local_users.write(stack.folder)) if stack.sign_in else []


def _refuse_tls(environment: Mapping[str, str]) -> None:
    """Refuse settings with which the processes of a stack would not find each other. Raises ``CommandError``."""
    if given := [name for name in TLS_VARIABLES if environment.get(name)]:
        raise CommandError(
            f"a development stack has no TLS, and listens on this machine only: unset {', '.join(given)}, or run "
            "`flytetemporal admin` and `flytetemporal worker` with them"
        )


def _refuse_tls_of_files(files: Sequence[str]) -> None:
    """Refuse what ``_refuse_tls`` refuses, in files. Raises ``CommandError``."""
    found = configuration.load(files)
    given = {
        "admin.tls_certificate": found.admin.tls_certificate,
        "admin.tls_key": found.admin.tls_key,
        "worker.admin_tls": found.worker.admin_tls,
        "temporal.tls": found.temporal.tls,
    }
    if named := [name for name, value in given.items() if value]:
        raise CommandError(f"a development stack has no TLS: remove {', '.join(named)} from the configuration files")


def _endpoints(options: Options) -> Endpoints:
    chosen = ports.choose(
        {
            "--grpc-port": options.grpc_port,
            "--http-port": options.http_port,
            "--temporal-port": options.temporal_port,
            "--ui-port": options.ui_port,
            "postgres": 0,
        }
    )
    return Endpoints(
        grpc_port=chosen["--grpc-port"],
        http_port=chosen["--http-port"],
        temporal_port=chosen["--temporal-port"],
        ui_port=chosen["--ui-port"],
        postgres_port=chosen["postgres"],
    )


def _external_database(url: str) -> str:
    """Return the URL with our driver in its scheme; "" if there is no URL.

    Raises:
        CommandError: the URL is not a Postgres URL, or no server answers there.
    """
    if not url:
        return ""
    scheme, _, rest = url.partition("://")
    parts = urlsplit(f"postgresql://{rest}")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise CommandError("--database-url must be like postgresql://user:password@host:5432/database")
    host, port = parts.hostname, parts.port or 5432
    if host and not ports.is_open(port, host, EXTERNAL_DATABASE_SECONDS):
        raise CommandError(f"no Postgres answers at {host}:{port}: start it, or correct --database-url")
    return f"postgresql+psycopg://{rest}"


def _external_store(root: str) -> str:
    """Return the root of the user's own object store without a slash at its end; "" if there is none.

    Raises:
        CommandError: the address is not one of an object store.
    """
    if root and not root.startswith(("s3://", "gs://")):
        raise CommandError(f"--store must be like s3://bucket/prefix or gs://bucket/prefix, not {root}")
    return root.rstrip("/")


class _Run:
    """Connects a running stack's supervisor to the terminal, the state file and the processes' notifications."""

    def __init__(self, stack: Stack, notes: Sequence[str]) -> None:
        self._stack = stack
        self._notes = notes
        self._ready = False
        self._progress = Progress(Console())
        self._notifications = NotificationSocket(self._notified)
        self._supervisor = Supervisor(stack.stages(self._notifications.address), self._changed)
        # Kept so that the task is not garbage-collected while it runs.
        self._retention: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start every process; return when all are stopped again after a signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        self._progress.start(self._supervisor.children)
        try:
            await self._supervisor.run(self._all_ready)
        finally:
            self._progress.close()
            self._notifications.close()

    def _notified(self, pid: int, status: str, ready: bool) -> None:
        self._supervisor.notified(pid, status, ready)

    def _changed(self) -> None:
        self._progress.changed()
        self._publish()

    def _publish(self) -> None:
        pids = {child.spec.name: child.pid for child in self._supervisor.children}
        state_folder.write_state(self._stack.folder, self._stack.state(pids, ready=self._ready))

    def _all_ready(self) -> None:
        self._ready = True
        self._publish()
        self._progress.show_ready(self._stack, self._notes)
        extending = temporal_server.extend_retention(
            self._stack.endpoints.temporal_port, self._stack.folder.logs / "temporal.log"
        )
        self._retention = asyncio.create_task(extending)

    def _stop(self) -> None:
        self._progress.show_stopping()
        self._supervisor.request_stop()


async def _supervise(stack: Stack, notes: Sequence[str]) -> None:
    await _Run(stack, notes).run()
