import os
import time
from pathlib import Path

import pytest

from flytetemporal.plugins.process import bundles


class Downloads:
    """Counts, and writes a module into the folder it is given."""

    def __init__(self, content: str = "x = 1") -> None:
        self.count = 0
        self._content = content

    def __call__(self, uri: str, folder: str) -> None:
        self.count += 1
        Path(folder, uri.rsplit("/", 1)[-1]).write_bytes(b"archive")
        Path(folder, "module.py").write_text(self._content)


def test_a_bundle_is_fetched_once_and_the_archive_is_dropped(tmp_path: Path) -> None:
    download = Downloads()

    folders = {bundles.unpacked("s3://b/fast1.tar.gz", tmp_path, download) for _ in range(3)}

    assert download.count == 1
    assert len(folders) == 1
    assert sorted(path.name for path in folders.pop().iterdir()) == ["__pycache__", "module.py"]


def test_a_local_file_that_changed_is_another_bundle(tmp_path: Path) -> None:
    archive = tmp_path / "fast.tar.gz"
    download = Downloads()
    archive.write_bytes(b"one")
    first = bundles.unpacked(f"file://{archive}", tmp_path / "cache", download)

    archive.write_bytes(b"another")
    second = bundles.unpacked(f"file://{archive}", tmp_path / "cache", download)

    assert first != second
    assert download.count == 2


def test_a_failed_download_leaves_nothing(tmp_path: Path) -> None:
    def fail(uri: str, folder: str) -> None:
        Path(folder, "half").touch()
        raise OSError(uri)

    with pytest.raises(OSError, match="s3://b/x"):
        bundles.unpacked("s3://b/x.tar.gz", tmp_path, fail)

    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_each_attempt_sees_the_code_and_writes_beside_it(tmp_path: Path) -> None:
    bundle = bundles.unpacked("s3://b/x.tar.gz", tmp_path / "cache", Downloads())
    own = tmp_path / "own"
    own.mkdir()

    bundles.link(bundle, own)
    (own / "result.txt").write_text("mine")

    assert (own / "module.py").read_text() == "x = 1"
    assert not (bundle / "result.txt").exists()


def test_unused_bundles_are_pruned(tmp_path: Path) -> None:
    old = bundles.unpacked("s3://b/old.tar.gz", tmp_path, Downloads())
    new = bundles.unpacked("s3://b/new.tar.gz", tmp_path, Downloads())
    long_ago = time.time() - bundles.KEEP_SECONDS - 60
    os.utime(old, (long_ago, long_ago))

    bundles.prune(tmp_path)

    assert not old.exists()
    assert new.exists()
