import os
import socket
from pathlib import Path

import pytest

from flytetemporal.errors import InvalidRequest, ValueTooLarge
from flytetemporal.storage import local_files

LIMIT = 100


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"content")

    assert local_files.read(tmp_path / "a" / "b", tmp_path, LIMIT) == b"content"


@pytest.mark.parametrize(("size", "is_read"), [(LIMIT, True), (LIMIT + 1, False)])
def test_no_more_than_the_limit_is_read(tmp_path: Path, size: int, is_read: bool) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * size)

    if is_read:
        assert len(local_files.read(path, tmp_path, LIMIT)) == size
    else:
        with pytest.raises(ValueTooLarge, match="more than 100 bytes"):
            local_files.read(path, tmp_path, LIMIT)


def test_a_missing_file_or_folder_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    for path in ("none", "none/none"):
        with pytest.raises(FileNotFoundError):
            local_files.read(tmp_path / path, tmp_path, LIMIT)
    with pytest.raises(NotADirectoryError):
        local_files.read(tmp_path / "file" / "below", tmp_path, LIMIT)
    with pytest.raises(IsADirectoryError):
        local_files.read(tmp_path, tmp_path, LIMIT)


@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd", "file", "nowhere"])
def test_a_link_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_bytes(b"somebody else's")
    (tmp_path / "outputs.pb").symlink_to(target)

    with pytest.raises(InvalidRequest, match="is a link"):
        local_files.read(tmp_path / "outputs.pb", tmp_path, LIMIT)


def test_a_link_in_the_middle_of_the_path_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "outputs.pb").write_bytes(b"")
    (tmp_path / "mine").symlink_to("theirs")

    with pytest.raises(InvalidRequest, match="mine is a link"):
        local_files.read(tmp_path / "mine" / "outputs.pb", tmp_path, LIMIT)


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "a").write_bytes(b"content")
    (tmp_path / "store").symlink_to("disk")

    assert local_files.read(tmp_path / "store" / "a", tmp_path / "store", LIMIT) == b"content"


def test_a_fifo_or_a_socket_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))

        with pytest.raises(InvalidRequest, match="not a regular file"):
            local_files.read(tmp_path / "fifo", tmp_path, LIMIT)
        with pytest.raises((InvalidRequest, OSError)):
            local_files.read(tmp_path / "socket", tmp_path, LIMIT)


def test_a_refused_file_leaves_no_open_descriptor(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    before = len(os.listdir("/proc/self/fd"))

    for name in ("fifo", "link", "none") * 5:
        with pytest.raises((InvalidRequest, FileNotFoundError)):
            local_files.read(tmp_path / name, tmp_path, LIMIT)

    assert len(os.listdir("/proc/self/fd")) == before
