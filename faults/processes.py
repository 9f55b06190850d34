"""Which processes tasks have left running. Linux only."""

from collections.abc import Iterable
from pathlib import Path

_TAG = b"FLYTETEMPORAL_ATTEMPT="
# Of /proc/PID/stat, counted behind the name, which may hold anything.
_STATE, _BEGAN = 0, 19


def began(pid: int) -> str:
    """Return when a process began, which with its id names it for ever; an empty text when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in "ZX" else fields[_BEGAN]


def alive(noted: Iterable[tuple[int, str]]) -> list[int]:
    """Return those of the noted processes that still run.

    What tasks noted is asked first: a fork of the warm server shows the environment of the server, not its own.
    """
    return sorted({pid for pid, moment in noted if began(pid) == moment})


def tagged(home: Path) -> list[int]:
    """Return the programs that tasks of the stack in ``home`` started and that still run, noted or not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if _TAG in content and str(home).encode() in content and began(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found
