import os
import stat
from pathlib import Path

import pytest

from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import Secrets, StateFolder
from flytetemporal.cli.errors import CommandError


def test_a_folder_is_locked_only_once(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "h")

    with (
        state_folder.locked(folder),
        pytest.raises(CommandError, match=rf"runs on .* already \(pid {os.getpid()}\)"),
        state_folder.locked(folder),
    ):
        pass


def test_a_folder_can_be_locked_again_after_its_release(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "h")
    with state_folder.locked(folder):
        pass

    with state_folder.locked(folder):
        assert folder.store.is_dir()


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    with (
        pytest.raises(CommandError, match="cannot write to the state folder"),
        state_folder.locked(StateFolder(file / "h")),
    ):
        pass


def test_the_folder_is_private_and_keeps_no_secrets(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path / "h")
    folder.path.mkdir(mode=0o755)
    folder.old_secrets.write_text('{"signing_key": "k"}')

    with state_folder.locked(folder):
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        assert not folder.old_secrets.exists()
        assert Secrets.new() != Secrets.new()
        assert Secrets.new("mine").postgres_password == "mine"


def test_the_state_of_a_dead_supervisor_is_ignored(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    state_folder.write_state(folder, {"pid": 2**22 + 1})

    assert state_folder.read_state(folder) is None


def test_reset_deletes_everything_but_the_lock(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with state_folder.locked(folder):
        (folder.store / "object").write_text("x")
        folder.postgres.mkdir()

        state_folder.reset(folder)

        assert not folder.postgres.exists()
        assert list(folder.store.iterdir()) == []
