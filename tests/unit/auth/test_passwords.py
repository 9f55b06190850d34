"""Hashes of passwords, and files of users."""

from pathlib import Path

import pytest
from pwdlib.hashers.bcrypt import BcryptHasher

from flytetemporal.auth import passwords
from flytetemporal.auth.passwords import PasswordFile
from flytetemporal.errors import InvalidRequest

HASH = passwords.hash_of("right")


def test_a_password_matches_its_hash_only() -> None:
    assert HASH.startswith("$argon2id$")
    assert passwords.matches("right", HASH)
    assert not passwords.matches("wrong", HASH)
    assert not passwords.matches("", HASH)
    assert not passwords.matches("x" * 2000, HASH)


def test_hashes_of_flytes_charts_are_taken() -> None:
    bcrypt = BcryptHasher(rounds=4).hash("foobar")

    assert passwords.matches("foobar", bcrypt)
    assert not passwords.matches("foobaz", bcrypt)
    assert not passwords.matches("f" * 100, bcrypt)


def test_a_hash_of_no_known_kind_matches_nothing() -> None:
    assert not passwords.matches("right", "right")


async def test_a_file_of_users_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(f"# comment\n\nada:{HASH}:scientists,authors\n")
    users = PasswordFile(path)

    ada = await users.user("ada", "right")
    assert ada is not None
    assert ada.groups == {"scientists", "authors"}
    assert await users.user("ada", "wrong") is None
    assert await users.user("bob", "right") is None

    path.write_text(f"bob:{HASH}\n")
    assert await users.user("bob", "right") is not None
    assert await users.user("ada", "right") is None


@pytest.mark.parametrize("content", ["ada", "ada:plain text", ":{hash}", b"\xff\xff"])
def test_a_malformed_file_is_refused(tmp_path: Path, content: str | bytes) -> None:
    path = tmp_path / "users"
    # The hash is a new one in each process, and names of tests must not be.
    path.write_bytes(content if isinstance(content, bytes) else content.format(hash=HASH).encode())

    with pytest.raises(InvalidRequest, match="users"):
        PasswordFile(path).users()
    with pytest.raises(InvalidRequest, match="cannot read"):
        PasswordFile(tmp_path / "none").users()
