"""Hashes of passwords and client secrets, and files of users."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cachetools import TTLCache
from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher

from flytetemporal.errors import InvalidRequest, QuotaExceeded

# Argon2 for new hashes; bcrypt is what Flyte's charts contain. Each check takes tens of milliseconds, on purpose.
_HASHES = PasswordHash((Argon2Hasher(), BcryptHasher()))
# Longer ones are refused before they are hashed.
MAX_PASSWORD_CHARACTERS = 1024
# Checks that run at once: each takes a CPU and 64 MB.
_CONCURRENT_CHECKS = 2
# Wrong passwords of one user that are answered within a minute, by one process.
MAX_FAILURES = 10
_FAILURE_SECONDS = 60.0
_COUNTED_USERS = 10_000


def hash_of(password: str) -> str:
    """Return a new Argon2 hash of a password."""
    return _HASHES.hash(password)


def matches(password: str, expected: str) -> bool:
    """Whether a password has this hash; blocks for tens of milliseconds."""
    if not password or len(password) > MAX_PASSWORD_CHARACTERS:
        return False
    try:
        return _HASHES.verify(password, expected)
    except (PwdlibError, ValueError):  # bcrypt refuses passwords of more than 72 bytes.
        return False


# Checked for unknown users, so that the time of an answer does not tell which users exist.
_NOBODY = hash_of("a password that no user has")


@dataclass(slots=True)
class Attempts:
    """Counts wrong passwords, so that guessing is slow."""

    _failures: "TTLCache[str, int]" = field(
        default_factory=lambda: TTLCache(_COUNTED_USERS, _FAILURE_SECONDS), init=False
    )

    def check(self, name: str) -> None:
        """Raise ``QuotaExceeded`` if there were too many."""
        if self._failures.get(name, 0) >= MAX_FAILURES:
            raise QuotaExceeded("too many wrong passwords for this user; try again in a minute")

    def failed(self, name: str) -> None:
        """Count one."""
        self._failures[name] = self._failures.get(name, 0) + 1


@dataclass(frozen=True, slots=True)
class LocalUser:
    """A user of a password file."""

    name: str
    password_hash: str
    groups: frozenset[str]


@dataclass(slots=True)
class PasswordFile:
    """A file of users, which is read again when it has changed."""

    path: Path
    _users: Mapping[str, LocalUser] = field(default_factory=dict, init=False)
    _state: tuple[int, int, int] | None = field(default=None, init=False)
    _checks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_CONCURRENT_CHECKS), init=False)

    async def user(self, name: str, password: str) -> LocalUser | None:
        """Return the user if the password is right.

        Raises:
            InvalidRequest: the file cannot be read.
        """
        async with self._checks:
            return await asyncio.to_thread(self._checked, name, password)

    def users(self) -> Mapping[str, LocalUser]:
        """Return the users by name.

        Raises:
            InvalidRequest: the file cannot be read, or a line of it is malformed.
        """
        try:
            found = self.path.stat()
            state = (found.st_ino, found.st_mtime_ns, found.st_size)
            if state != self._state:
                self._users, self._state = _parsed(self.path.read_text(), self.path), state
        except (OSError, UnicodeDecodeError) as e:
            raise InvalidRequest(f"cannot read the users of {self.path}: {e}") from e
        return self._users

    def _checked(self, name: str, password: str) -> LocalUser | None:
        user = self.users().get(name)
        right = matches(password, user.password_hash if user else _NOBODY)
        return user if right and user else None


def _parsed(content: str, path: Path) -> dict[str, LocalUser]:
    users = {}
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.strip().partition(":")
        password_hash, _, groups = rest.partition(":")
        if not name or not any(hasher.identify(password_hash) for hasher in _HASHES.hashers):
            raise InvalidRequest(
                f"line {number} of {path} is not name:hash:groups with a hash of `flytetemporal hash-password`"
            )
        users[name] = LocalUser(name, password_hash, frozenset(part for part in groups.split(",") if part))
    return users
