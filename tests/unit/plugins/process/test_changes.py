import sys
from pathlib import Path

import pytest

from flytetemporal.plugins.process import changes


def test_loaded_modules_are_watched_but_not_the_standard_library() -> None:
    files = changes.loaded_files()

    assert changes.__file__ in files
    assert pytest.__file__ in files
    assert sys.modules["json"].__file__ not in files
    assert changes.changed(files) == ""


def test_a_file_that_is_written_again_is_found(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("x = 1")
    files = {str(file): changes.stamp(str(file))}

    file.write_text("x = 22")

    assert changes.changed(files) == str(file)


def test_a_deleted_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("x = 1")
    files = {str(file): changes.stamp(str(file))}

    file.unlink()

    assert changes.changed(files) == str(file)


def test_a_new_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one-1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    files = changes.loaded_files()

    (tmp_path / "two-1.dist-info").mkdir()

    assert changes.changed(files) == str(tmp_path)
