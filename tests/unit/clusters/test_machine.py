"""What a node needs of its machine is named at once, and what is not a cluster's is left alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from clusters import cluster, machine
from clusters.problems import ClusterError


def test_everything_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", "/nowhere")
    folder = Path("/tmp") / ("long" * 30)

    with pytest.raises(ClusterError) as missing:
        machine.check(folder)

    assert "needs root" in str(missing.value)
    assert "containerd, ctr, runc, busybox not on the PATH" in str(missing.value)
    assert "apt-get install busybox-static containerd runc" in str(missing.value)
    assert "too long a path for sockets" in str(missing.value)


def test_a_folder_that_is_not_of_a_cluster_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")

    with pytest.raises(ClusterError, match="is not the folder of a cluster"):
        cluster.remove(tmp_path)

    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_removing_what_does_not_exist_does_nothing(tmp_path: Path) -> None:
    cluster.remove(tmp_path / "absent")


def test_only_programs_of_the_cluster_with_a_path_in_its_folder_are_its_processes(tmp_path: Path) -> None:
    etcd = tmp_path / "etcd"
    etcd.write_text("#!/bin/sh\nread line\n")
    etcd.chmod(0o755)
    commands = [
        [sys.executable, "-c", "input()", f"{tmp_path}/one/log"],  # another program
        [sys.executable, "-c", "input()", f"--data-dir={tmp_path}/one/etcd"],
        [sys.executable, "-c", "input()", f"--data-dir={tmp_path}/two/etcd"],  # another cluster
    ]
    names = [sys.executable, "etcd", "etcd"]
    processes = [
        subprocess.Popen([name, *command[1:]], executable=command[0], stdin=subprocess.PIPE)
        for name, command in zip(names, commands, strict=True)
    ]
    try:
        assert machine.processes_of(tmp_path / "one", ["etcd", "kubelet"]) == [processes[1].pid]

        machine.kill_all([processes[1].pid])

        assert [process.poll() for process in processes] == [None, -9, None]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_settings_of_the_kernel_that_were_not_changed_are_not_written(tmp_path: Path) -> None:
    setting = tmp_path / "overcommit_memory"
    setting.write_text("1\n")
    machine.restore({str(setting): "1"})
    unchanged = setting.read_text()

    machine.restore({str(setting): "0"})

    assert (unchanged, setting.read_text()) == ("1\n", "0")
