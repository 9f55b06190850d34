"""The state folder of a development stack: its layout, its lock and its state file, and the secrets of one run."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from flytetemporal.cli.errors import CommandError


def default_path() -> Path:
    """Return the path of the state folder if ``--home`` is not given."""
    return Path(platformdirs.user_data_dir("flytetemporal")) / "dev"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The paths inside one state folder."""

    path: Path

    @property
    def postgres(self) -> Path:
        """The embedded database's cluster."""
        return self.path / "postgres"

    @property
    def temporal(self) -> Path:
        """The folder of the embedded Temporal server's database file."""
        return self.path / "temporal"

    @property
    def store(self) -> Path:
        """The object store."""
        return self.path / "store"

    @property
    def work(self) -> Path:
        """Working folders of task processes."""
        return self.path / "work"

    @property
    def task_secrets(self) -> Path:
        """Secrets that the user provides for tasks."""
        return self.path / "secrets"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.path / "logs"

    @property
    def client_config(self) -> Path:
        """A configuration file for pyflyte and flytectl that points at this stack."""
        return self.path / "config.yaml"

    @property
    def state(self) -> Path:
        """Endpoints and process ids of the running stack; absent while none runs."""
        return self.path / "state.json"

    @property
    def users(self) -> Path:
        """The users of a stack with sign-in, with hashes of their passwords."""
        return self.path / "users"

    @property
    def roles(self) -> Path:
        """The roles of these users."""
        return self.path / "roles.yaml"

    @property
    def old_secrets(self) -> Path:
        """The secrets of earlier releases, which tasks could read."""
        return self.path / "secrets.json"

    @property
    def lock(self) -> Path:
        """Locked by the running stack; contains its process id."""
        return self.path / "lock"


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of one run of a stack: those of the database, of links and of the worker. Stored nowhere."""

    postgres_password: str
    signing_key: str
    worker_secret: str = ""

    @classmethod
    def new(cls, postgres_password: str = "") -> "Secrets":
        """Generate secrets, unless the user wants to know the password."""
        return cls(postgres_password or secrets.token_hex(16), secrets.token_hex(32), secrets.token_hex(32))


@contextlib.contextmanager
def locked(folder: StateFolder) -> Iterator[None]:
    """Create the folder if it is missing, and lock it against other stacks.

    Raises:
        CommandError: the folder cannot be written, or a stack runs on it.
    """
    try:
        for part in (folder.path, folder.logs, folder.store, folder.work, folder.temporal):
            part.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(PermissionError):  # Of a folder that another user has made for this one.
            folder.path.chmod(0o700)
        folder.old_secrets.unlink(missing_ok=True)
        lock = folder.lock.open("a+")
    except OSError as e:
        raise CommandError(f"cannot write to the state folder {folder.path}: {e.strerror}; pass another --home") from e
    with lock:
        try:
            # The kernel drops the lock when this process dies, even by SIGKILL.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            lock.seek(0)
            raise CommandError(
                f"a stack runs on {folder.path} already (pid {lock.read().strip() or 'unknown'}): stop it, or pass "
                "another --home"
            ) from e
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def reset(folder: StateFolder) -> None:
    """Delete the state of earlier stacks; the secrets of tasks stay. The lock must be held."""
    for part in (folder.postgres, folder.temporal, folder.store, folder.work, folder.logs):
        shutil.rmtree(part, ignore_errors=True)
    for file in (folder.state, folder.client_config):
        file.unlink(missing_ok=True)
    for part in (folder.temporal, folder.store, folder.work, folder.logs):
        part.mkdir()


def write_state(folder: StateFolder, state: Mapping[str, Any]) -> None:
    """Write the state file. It contains no secrets; tasks can read it."""
    _write_private(folder.state, state)


def read_state(folder: StateFolder) -> dict[str, Any] | None:
    """Return the state of the stack that runs on the folder; None if none runs."""
    try:
        state: dict[str, Any] = json.loads(folder.state.read_text())
        # A killed stack leaves its file behind.
        os.kill(state["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return state


def _write_private(path: Path, content: Mapping[str, Any]) -> None:
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    # Readers see the old file or the new one, never half of one.
    scratch.replace(path)
