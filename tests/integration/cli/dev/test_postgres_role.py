"""The embedded Postgres as admin sees it: its role owns the database and nothing else."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from flytetemporal.cli.dev import ports, postgres, privileges, state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.db import migrate
from tests.fixtures.waiting import wait_until

OBJECTS = (
    "CREATE TABLE a (id serial PRIMARY KEY, x text)",
    "CREATE VIEW v AS SELECT * FROM a",
    "CREATE TYPE mood AS ENUM ('good')",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "INSERT INTO a (x) VALUES ('kept')",
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[StateFolder]:
    made = StateFolder(tmp_path / "home")
    with state_folder.locked(made):
        yield made


async def prepared(prepare: Callable[[], Awaitable[None]]) -> None:
    await prepare()


@contextmanager
def served(folder: StateFolder, password: str) -> Iterator[str]:
    """Run the server as ``dev`` does; yield the URL of admin's role."""
    port = ports.free()
    spec = postgres.process_spec(folder, port, password)
    assert spec.prepare is not None
    asyncio.run(prepared(spec.prepare))
    before = privileges.before_exec(spec.death_signal, unprivileged=True)
    with spec.log.open("ab") as log:
        process = subprocess.Popen(spec.command, stdout=log, stderr=log, preexec_fn=before)
    try:
        assert spec.is_ready is not None
        wait_until(spec.is_ready)
        yield postgres.database_url(port, password).replace("+psycopg", "")
    finally:
        process.send_signal(spec.stop_signal)
        process.wait()


def as_of_an_earlier_release(folder: StateFolder) -> None:
    """Make a cluster that belongs to the superuser, who has a password."""
    asyncio.run(postgres._create(folder))
    statements = [*OBJECTS, "ALTER ROLE postgres PASSWORD 'old'"]
    arguments = ("--single", "-D", str(folder.postgres), "-c", "exit_on_error=on", postgres.DATABASE)
    asyncio.run(postgres._run(folder, "postgres", *arguments, stdin="\n".join(statements) + "\n"))


def refused(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


def test_a_new_database_is_migrated_by_a_role_without_rights_elsewhere(folder: StateFolder) -> None:
    with served(folder, "p/w:@") as url:
        migrate.upgrade(url.replace("postgresql", "postgresql+psycopg"))
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in (
                "COPY (SELECT 1) TO PROGRAM 'id'",
                "SELECT pg_read_file('/etc/passwd')",
                "ALTER ROLE flytetemporal SUPERUSER",
                "SET ROLE postgres",
                "CREATE ROLE another",
                "CREATE DATABASE another",
                "ALTER SYSTEM SET fsync = off",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)


def test_the_database_of_an_earlier_release_changes_its_owner(folder: StateFolder) -> None:
    as_of_an_earlier_release(folder)

    with served(folder, "new") as url:
        with psycopg.connect(url, autocommit=True) as connection:
            owners = connection.execute(
                "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            ).fetchall()
            assert owners == [("flytetemporal",)]
            for statement in ("ALTER TABLE a ADD y int", "ALTER TYPE mood ADD VALUE 'bad'", "DROP FUNCTION f()"):
                connection.execute(statement)
            assert connection.execute("SELECT x FROM v").fetchall() == [("kept",)]
        for password in ("old", "new", ""):
            assert refused(url.replace("flytetemporal:new@", f"postgres:{password}@"))


def test_each_run_has_a_password_of_its_own(folder: StateFolder) -> None:
    with served(folder, "first"):
        pass
    with served(folder, "second") as url:
        assert refused(url.replace("second", "first"))
        assert not refused(url)


def test_the_password_is_in_no_file(folder: StateFolder) -> None:
    password = "very-secret-indeed"
    with served(folder, password):
        shown = [path for path in folder.path.rglob("*") if path.is_file() and os.access(path, os.R_OK)]
        assert [path for path in shown if password.encode() in path.read_bytes()] == []
