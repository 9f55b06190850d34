"""The file that names what a worker holds."""

import os
from pathlib import Path

import pytest

from flytetemporal.cli.wiring import held_work
from flytetemporal.cli.wiring.held_work import Held, HeldWork
from flytetemporal.plugins.local import lifetime_locks


def content(work: HeldWork) -> Held:
    file = os.open(work.path, os.O_RDONLY)
    try:
        return held_work.read(file)
    finally:
        os.close(file)


def test_what_is_held_is_named_until_it_ends(tmp_path: Path) -> None:
    work = HeldWork(tmp_path, "lease")
    with work.running(b"one"), work.cached("workflow", "run"):
        with work.running(b"two\0"):
            assert content(work) == Held("lease", [b"one", b"two\0"], [("workflow", "run")])
        assert content(work) == Held("lease", [b"one"], [("workflow", "run")])
        with work.running(b"3"):
            assert content(work) == Held("lease", [b"one", b"3"], [("workflow", "run")])
    assert content(work) == Held("lease")
    work.close()
    assert list(tmp_path.iterdir()) == []


def test_what_ends_with_an_error_is_named_no_longer(tmp_path: Path) -> None:
    work = HeldWork(tmp_path, "lease")
    with pytest.raises(ZeroDivisionError), work.running(b"one"):
        print(1 / 0)
    assert content(work) == Held("lease")
    work.close()


def test_an_entry_that_is_too_long_is_left_out(tmp_path: Path) -> None:
    work = HeldWork(tmp_path, "lease")
    with work.running(b"x" * held_work.SLOT_BYTES), work.running(b"short"):
        assert content(work).task_tokens == [b"short"]
    work.close()


def test_only_the_file_of_a_dead_worker_can_be_locked(tmp_path: Path) -> None:
    work = HeldWork(tmp_path, "lease")

    assert lifetime_locks.take_over(work.path) is None

    os.close(work._file)  # As the kernel does at the end of a process.
    file = lifetime_locks.take_over(work.path)
    assert file is not None
    work.path.unlink()
    os.close(file)
    assert lifetime_locks.take_over(work.path) is None


def test_a_damaged_file_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "damaged"
    path.write_bytes(b"W\x00\x05\xff\xff\xff".ljust(held_work.SLOT_BYTES, b"\0") + b"A\x00\x02ab" + b"x")
    file = os.open(path, os.O_RDONLY)
    try:
        assert held_work.read(file).task_tokens == [b"ab"]
    finally:
        os.close(file)
