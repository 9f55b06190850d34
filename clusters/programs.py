"""The programs of Kubernetes: built once from Go modules, then kept in a cache outside of the checkout.

``go/go.mod`` requires ``k8s.io/kubernetes`` and replaces each of its staging modules by its published version. To move
to another version, change the versions there, run ``go mod tidy`` in that folder, and build.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from clusters.problems import ClusterError

MODULE = Path(__file__).parent / "go"
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    **{
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
    },
}
API_SERVER = ("etcd", "kube-apiserver")
"""What an API server without nodes needs."""
# As `go.mod` says; earlier ones do not know its `tool` lines.
_GO = (1, 24)


def version() -> str:
    """Return the version of Kubernetes, as in v1.34.4."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v[\d.]+)\b", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ClusterError(f"{MODULE / 'go.mod'} does not require k8s.io/kubernetes; restore it")
    return found[1]


def cache() -> Path:
    """Return the folder of the built programs. Its name follows from the version and from the modules built in."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256((MODULE / "go.mod").read_bytes()).hexdigest()[:8]
    return caches / "flytetemporal" / "k8s" / f"{version()}-{digest}"


def problem(names: Sequence[str]) -> str:
    """Return why the programs cannot be used yet, and what to do; empty if they are in the cache."""
    missing = [name for name in names if not (cache() / name).exists()]
    if not missing:
        return ""
    cure = _go_problem() or "run make k8s-build, which takes minutes once"
    return f"{' and '.join(missing)} of Kubernetes {version()} not built in {cache()}: {cure}"


def path(name: str) -> Path:
    """Return the path of a program.

    Raises:
        ClusterError: it has not been built.
    """
    if reason := problem([name]):
        raise ClusterError(reason)
    return cache() / name


def build(names: Sequence[str]) -> None:
    """Build the programs that are not in the cache; a second process that builds waits for the first.

    Raises:
        ClusterError: there is no suitable Go, or it failed.
    """
    missing = [name for name in names if not (cache() / name).exists()]
    if missing and (reason := _go_problem()):
        raise ClusterError(f"cannot build {' and '.join(missing)}: {reason}")
    for name in missing:
        cache().mkdir(parents=True, exist_ok=True)
        with _locked(cache() / ".lock"):
            if not (cache() / name).exists():
                print(f"Building {name} of Kubernetes {version()} from Go modules ...", file=sys.stderr, flush=True)
                _build(name)


def _build(name: str) -> None:
    target = cache() / f".{name}.{os.getpid()}"
    # At low priority, since it takes all processors for minutes.
    command = ["nice", "-n", "10", "go", "build", "-trimpath", "-ldflags", _flags(), "-o", str(target), PACKAGES[name]]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(command, cwd=MODULE, env=environment, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        target.unlink(missing_ok=True)
        raise ClusterError(f"go could not build {name} of Kubernetes {version()}; see its output above")
    target.rename(cache() / name)


def _flags() -> str:
    """Return the flags of the linker. Without the version, clients would see v0.0.0."""
    _, minor, _ = version().split(".")
    values = {
        "k8s.io/component-base/version.gitVersion": version(),
        "k8s.io/component-base/version.gitMajor": "1",
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": version(),
    }
    return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in values.items())])


def _go_problem() -> str:
    """Return why Go cannot build; empty if it can."""
    needed = ".".join(map(str, _GO))
    go = shutil.which("go")
    if go is None:
        return f"install Go {needed} or later, and put it on the PATH"
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < _GO:
        return f"install Go {needed} or later; {go} is {answer or 'broken'}"
    return ""


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
