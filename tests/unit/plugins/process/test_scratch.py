"""Folders of fork servers whose workers were killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from flytetemporal.plugins.process import scratch
from flytetemporal.plugins.process.scratch import Scratch

WORKER = """
import signal, sys
from pathlib import Path
from flytetemporal.plugins.process.scratch import Scratch
made = Scratch.make(Path(sys.argv[1]))
print(made.path, flush=True)
signal.pause()
"""


def worker(parent: Path) -> tuple["subprocess.Popen[str]", Path]:
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(parent)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_the_folder_of_a_killed_worker_is_removed_and_that_of_a_live_one_is_not(tmp_path: Path) -> None:
    dead, abandoned = worker(tmp_path)
    live, used = worker(tmp_path)
    own = Scratch.make(tmp_path)
    (abandoned / "file").write_text("x")
    dead.kill()
    dead.wait()

    assert scratch.remove_abandoned(tmp_path) == [abandoned]

    assert used.is_dir()
    assert own.path.is_dir()
    live.kill()
    live.wait()
    assert scratch.remove_abandoned(tmp_path) == [used]
    own.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_an_earlier_release_is_removed_unless_its_server_runs(tmp_path: Path) -> None:
    unused, used = tmp_path / "server-abc", tmp_path / "server-def"
    for path in (unused, used):
        path.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-c", "import signal; print(1, flush=True); signal.pause()"], cwd=used, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    server.stdout.readline()

    assert scratch.remove_abandoned(tmp_path) == [unused]

    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    assert scratch.remove_abandoned(tmp_path) == [used]


def test_a_lock_that_lost_its_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "server-1.lock").touch()
    (tmp_path / "bundles").mkdir()

    scratch.remove_abandoned(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["bundles"]
