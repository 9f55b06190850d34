"""The state folder of a development stack: what lies where, who may use it, its secrets and its state file."""

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

from flytetemporal.cli.problems import CommandFailed


def default_folder() -> Path:
    """Return the state folder of those who name none."""
    return Path(platformdirs.user_data_dir("flytetemporal")) / "dev"


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one state folder."""

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
        """Secrets that tasks may ask for, put there by the user."""
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
        """What runs now: endpoints and process ids; absent while nothing runs."""
        return self.path / "state.json"

    @property
    def secrets(self) -> Path:
        """The database's password and the key of signed links."""
        return self.path / "secrets.json"

    @property
    def lock(self) -> Path:
        """Held by the running stack."""
        return self.path / "lock"


@dataclass(frozen=True, slots=True)
class Secrets:
    """Made once for each state folder."""

    postgres_password: str
    signing_key: str


@contextlib.contextmanager
def held(home: Home) -> Iterator[None]:
    """Create the folder if need be and keep everybody else out of it.

    Raises:
        CommandFailed: the folder cannot be written, or a stack runs on it.
    """
    try:
        for folder in (home.path, home.logs, home.store, home.work, home.temporal):
            folder.mkdir(parents=True, exist_ok=True)
        lock = home.lock.open("a+")
    except OSError as e:
        raise CommandFailed(f"cannot write to the state folder {home.path}: {e.strerror}; pass another --home") from e
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            lock.seek(0)
            raise CommandFailed(
                f"a stack runs on {home.path} already (pid {lock.read().strip() or 'unknown'}): stop it, or pass "
                "another --home"
            ) from e
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def reset(home: Home) -> None:
    """Forget everything that earlier stacks left in the folder. The lock must be held."""
    for folder in (home.postgres, home.temporal, home.store, home.work, home.logs):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (home.secrets, home.state, home.client_config):
        file.unlink(missing_ok=True)
    for folder in (home.temporal, home.store, home.work, home.logs):
        folder.mkdir()


def load_secrets(home: Home) -> Secrets:
    """Return the folder's secrets; makes them the first time."""
    if home.secrets.exists():
        return Secrets(**json.loads(home.secrets.read_text()))
    made = Secrets(postgres_password=secrets.token_hex(16), signing_key=secrets.token_hex(32))
    _write_private(home.secrets, {"postgres_password": made.postgres_password, "signing_key": made.signing_key})
    return made


def write_state(home: Home, state: Mapping[str, Any]) -> None:
    """Publish what runs. Only the owner may read it: it holds the database's URL."""
    _write_private(home.state, state)


def read_state(home: Home) -> dict[str, Any] | None:
    """Return what runs on the folder, None when nothing does."""
    try:
        state: dict[str, Any] = json.loads(home.state.read_text())
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
    scratch.replace(path)
