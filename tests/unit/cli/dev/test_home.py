import os
import stat
from pathlib import Path

import pytest

from flytetemporal.cli.dev import home
from flytetemporal.cli.dev.home import Home
from flytetemporal.cli.problems import CommandFailed


def test_only_one_may_hold_a_folder(tmp_path: Path) -> None:
    folder = Home(tmp_path / "h")

    with (
        home.held(folder),
        pytest.raises(CommandFailed, match=rf"runs on .* already \(pid {os.getpid()}\)"),
        home.held(folder),
    ):
        pass


def test_a_folder_can_be_held_again_after_its_holder_left(tmp_path: Path) -> None:
    folder = Home(tmp_path / "h")
    with home.held(folder):
        pass

    with home.held(folder):
        assert folder.store.is_dir()


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    with pytest.raises(CommandFailed, match="cannot write to the state folder"), home.held(Home(file / "h")):
        pass


def test_secrets_stay_the_same_and_private(tmp_path: Path) -> None:
    folder = Home(tmp_path)

    made = home.load_secrets(folder)

    assert home.load_secrets(folder) == made
    assert stat.S_IMODE(folder.secrets.stat().st_mode) == 0o600


def test_the_state_of_a_dead_supervisor_is_no_state(tmp_path: Path) -> None:
    folder = Home(tmp_path)
    home.write_state(folder, {"pid": 2**22 + 1})

    assert home.read_state(folder) is None


def test_reset_keeps_nothing_but_the_lock(tmp_path: Path) -> None:
    folder = Home(tmp_path)
    with home.held(folder):
        made = home.load_secrets(folder)
        (folder.store / "object").write_text("x")
        folder.postgres.mkdir()

        home.reset(folder)

        assert not folder.postgres.exists()
        assert list(folder.store.iterdir()) == []
        assert home.load_secrets(folder) != made
