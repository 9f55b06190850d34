"""What nodes need of this machine, and how it is left as it was found."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from clusters.problems import ClusterError

PROGRAMS = {"containerd": "containerd", "ctr": "containerd", "runc": "runc", "busybox": "busybox-static"}
"""Programs that must be on the PATH, and the packages of Debian that have them."""
_CGROUPS = Path("/sys/fs/cgroup")
_RESOURCES = ("cpu", "memory", "pids")
# A kubelet changes these, and has no option not to.
_SYSCTLS = tuple(
    Path("/proc/sys") / name
    for name in (
        *("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"),
        *("kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"),
    )
)
# A Unix socket's path has at most 107 bytes, and the longest of ours in that folder needs a third of them.
_LONGEST_FOLDER = 64
_KILL_SECONDS = 60.0


def check(folder: Path) -> None:
    """Check that nodes can run here with their data in ``folder``.

    Raises:
        ClusterError: it names everything that is missing.
    """
    missing = list(_problems(folder))
    if missing:
        raise ClusterError("a node cannot run here: " + "; ".join(missing))


def _problems(folder: Path) -> Iterable[str]:
    if os.geteuid() != 0:
        yield "it needs root, use sudo"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        packages = " ".join(sorted({PROGRAMS[name] for name in absent}))
        yield f"{', '.join(absent)} not on the PATH, use apt-get install {packages}"
    if "overlay" not in Path("/proc/filesystems").read_text():
        yield "the kernel has no overlay file system"
    if controllers := [name for name in _RESOURCES if not _has_controller(name)]:
        yield f"no cgroup controller {', '.join(controllers)} in {_CGROUPS}"
    if len(str(folder)) > _LONGEST_FOLDER:
        yield f"{folder} is too long a path for sockets, use one of at most {_LONGEST_FOLDER} characters"


def _has_controller(name: str) -> bool:
    unified = _CGROUPS / "cgroup.controllers"
    return name in unified.read_text().split() if unified.exists() else (_CGROUPS / name).is_dir()


def processes_of(folder: Path, names: Iterable[str]) -> list[int]:
    """Return the ids of processes that run one of the programs with a path below ``folder`` among their arguments.

    So those are found, too, whose parent was killed, and a process that has got the id of one that ended is not.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            program, *arguments = (process / "cmdline").read_text().rstrip("\0").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if Path(program).name in names and any(f"{folder}/" in argument for argument in arguments):
            found.append(int(process.name))
    return found


def kill_all(pids: Iterable[int]) -> None:
    """Kill processes, and return when they run no more."""
    for pid in (pids := list(pids)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_SECONDS
    while running := [pid for pid in pids if _runs(pid)]:
        if time.monotonic() > deadline:
            raise ClusterError(f"processes {running} were killed, and still run after {_KILL_SECONDS:.0f} s")
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether a process has not ended yet. Until its parent asks how it ended, it is listed as a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def kernel_settings() -> dict[str, str]:
    """Return the settings of the kernel that a kubelet changes."""
    return {str(file): file.read_text().strip() for file in _SYSCTLS if file.exists()}


def restore(settings: dict[str, str]) -> None:
    for file, value in settings.items():
        if Path(file).read_text().strip() != value:
            Path(file).write_text(value)


def unlink_logs(folder: Path) -> None:
    """Remove the links to logs of pods that a kubelet makes outside of its own folder."""
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and str(link.readlink()).startswith(f"{folder}/"):
            link.unlink()


def unmount_below(folder: Path) -> None:
    """Unmount what containers and volumes have mounted, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    for point in reversed([point for point in points if point.startswith(f"{folder}/")]):
        # Lazily: a process that is about to end can still have a file open.
        subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)


def make_cgroup(name: str) -> None:
    """Make a cgroup in each hierarchy, since a kubelet wants the one that it is given to exist."""
    hierarchies = [_CGROUPS, *_CGROUPS.glob("*/")]
    for hierarchy in (folder for folder in hierarchies if (folder / "cgroup.procs").exists()):
        (hierarchy / name).mkdir(exist_ok=True)


def remove_cgroup(name: str) -> None:
    """Kill what is left in a cgroup and in those below it, and remove them."""
    roots = [_CGROUPS / name, *_CGROUPS.glob(f"*/{name}")]
    for root in (root for root in roots if root.is_dir()):
        for folder in sorted(root.rglob("*/"), key=lambda path: len(path.parts), reverse=True):
            _remove(folder)
        _remove(root)


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + _KILL_SECONDS
    while folder.exists():
        processes = [int(pid) for pid in (folder / "cgroup.procs").read_text().split()]
        if time.monotonic() > deadline:
            raise ClusterError(f"{folder} cannot be removed: processes {processes} stay")
        kill_all(processes)
        # The kernel takes a moment longer than the process.
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.02)
