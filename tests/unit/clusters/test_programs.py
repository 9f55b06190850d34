"""Where the programs of the cluster for tests come from, and what is said where they cannot be had."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clusters import programs
from clusters.problems import ClusterError


@pytest.fixture
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH on which there is no Go until the test writes one to the folder that is returned."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("PATH", f"{bin_folder}:/bin:/usr/bin")
    monkeypatch.setattr("shutil.which", lambda name: str(bin_folder / name) if (bin_folder / name).exists() else None)
    return bin_folder


def write_go(folder: Path, version: str, *, status: int = 0) -> None:
    """Write a program that answers like Go, and builds a file that says what it was asked for."""
    script = f"""#!{sys.executable}
import json, sys
if sys.argv[1] == "env":
    print("{version}")
elif {status} == 0:
    open(sys.argv[sys.argv.index("-o") + 1], "w").write(json.dumps(sys.argv))
sys.exit(0 if sys.argv[1] == "env" else {status})
"""
    (folder / "go").write_text(script)
    (folder / "go").chmod(0o755)


def test_all_programs_of_kubernetes_are_of_the_version_that_go_mod_requires() -> None:
    replaced = re.findall(r"=> k8s\.io/\S+ (v\S+)$", (programs.MODULE / "go.mod").read_text(), re.MULTILINE)

    assert len(replaced) > 20
    assert set(replaced) == {programs.version().replace("v1.", "v0.", 1)}


def test_another_go_mod_has_another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = programs.cache()
    changed = (programs.MODULE / "go.mod").read_text().replace("etcd/server/v3 v3", "etcd/server/v3 v4")
    (tmp_path / "go.mod").write_text(changed)
    monkeypatch.setattr(programs, "MODULE", tmp_path)

    assert programs.cache() != before
    assert programs.cache().parent == before.parent


@pytest.mark.usefixtures("nothing_built")
def test_without_go_the_problem_says_what_to_install() -> None:
    reason = programs.problem(programs.API_SERVER)

    assert "etcd and kube-apiserver of Kubernetes v1." in reason
    assert "install Go 1.24 or later" in reason
    with pytest.raises(ClusterError, match=r"cannot build etcd and kube-apiserver: install Go 1\.24"):
        programs.build(programs.API_SERVER)
    with pytest.raises(ClusterError, match="kubelet of Kubernetes v1"):
        programs.path("kubelet")


def test_an_old_go_is_named_with_its_version(nothing_built: Path) -> None:
    write_go(nothing_built, "go1.19.8")

    with pytest.raises(ClusterError, match=r"install Go 1\.24 or later; .*/go is go1\.19\.8"):
        programs.build(["etcd"])


def test_with_go_the_problem_says_how_to_build(nothing_built: Path) -> None:
    write_go(nothing_built, "go1.26.8")

    assert "run make k8s-build" in programs.problem(["etcd"])


def test_a_program_is_built_once_with_its_version(nothing_built: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_go(nothing_built, "go1.26.8")

    programs.build(["kube-scheduler"])

    asked = json.loads(programs.path("kube-scheduler").read_text())
    assert asked[-1] == "k8s.io/kubernetes/cmd/kube-scheduler"
    assert f"-X k8s.io/component-base/version.gitVersion={programs.version()}" in asked[asked.index("-ldflags") + 1]
    assert f"Building kube-scheduler of Kubernetes {programs.version()}" in capfd.readouterr().err
    write_go(nothing_built, "go1.26.8", status=1)
    programs.build(["kube-scheduler"])
    assert programs.problem(["kube-scheduler"]) == ""


def test_a_failed_build_leaves_nothing_in_the_cache(nothing_built: Path) -> None:
    write_go(nothing_built, "go1.26.8", status=1)

    with pytest.raises(ClusterError, match="go could not build etcd"):
        programs.build(["etcd"])

    assert [file.name for file in programs.cache().iterdir()] == [".lock"]


def test_make_test_goes_on_where_nothing_can_be_built(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": str(tmp_path)}
    command = [sys.executable, "-m", "clusters", "build"]

    strict = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lenient = subprocess.run([*command, "--if-possible"], env=environment, capture_output=True, text=True, check=False)

    assert (strict.returncode, lenient.returncode) == (1, 0)
    assert "install Go 1.24 or later" in strict.stderr
    assert "install Go 1.24 or later" in lenient.stderr
