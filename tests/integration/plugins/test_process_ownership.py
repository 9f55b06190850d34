"""Processes of a dead worker are found and killed; those of a living one are not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flytetemporal.plugins.local import process_ownership
from flytetemporal.plugins.local.process_ownership import LEASE_VARIABLE, TAG_VARIABLE
from tests.fixtures.processes import lease_of_the_dead

Start = Callable[[str, Path], int]


@pytest.fixture
def start() -> Iterator[Start]:
    running = []

    def start(lease: str, work_dir: Path) -> int:
        environment = {LEASE_VARIABLE: lease, TAG_VARIABLE: "p/d/e-n0-0", "TMPDIR": f"{work_dir}/run/x/tmp"}
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
        running.append(process)
        return process.pid

    yield start
    for process in running:
        process.kill()
        process.wait()


def exec_is_over(pid: int) -> bool:
    return LEASE_VARIABLE.encode() in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_process_of_a_dead_worker_is_killed(start: Start, tmp_path: Path) -> None:
    orphan, held = start(lease_of_the_dead(), tmp_path), start(process_ownership.mine(), tmp_path)
    elsewhere = start(lease_of_the_dead(), tmp_path / "other")
    while not all(exec_is_over(pid) for pid in (orphan, held, elsewhere)):
        time.sleep(0.01)

    killed = process_ownership.kill_orphans(f"{tmp_path}/run")

    assert [(one.pid, one.tag) for one in killed] == [(orphan, "p/d/e-n0-0")]
    assert os.waitpid(orphan, 0)[1] == signal.SIGKILL
    for pid in (held, elsewhere):
        os.kill(pid, 0)


def test_a_lease_is_not_held_by_another_process_with_the_same_number() -> None:
    boot, pid, _ = process_ownership.mine().split("/")

    assert process_ownership.is_held(process_ownership.mine())
    assert not process_ownership.is_held(f"{boot}/{pid}/1")


def test_a_dead_process_holds_no_lease_while_its_parent_has_not_waited_for_it() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lease = process_ownership._lease(process.pid)
    assert process_ownership.is_held(lease)

    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert not process_ownership.is_held(lease)
    process.communicate()


def test_folders_of_dead_workers_are_removed(tmp_path: Path) -> None:
    for name, lease in (
        ("dead", lease_of_the_dead()),
        ("alive", process_ownership.mine()),
        ("strange", "what is this"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / process_ownership.LEASE_FILE).write_text(lease)

    assert process_ownership.remove_folders(tmp_path) == [tmp_path / "dead"]
    assert {path.name for path in tmp_path.iterdir()} == {"alive", "strange"}


def test_a_lease_of_another_boot_is_not_judged() -> None:
    assert process_ownership.is_held("another-boot/1/1")
