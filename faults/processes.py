"""Find processes of tasks that still run. Linux only."""

from collections.abc import Iterable
from pathlib import Path

_TAG = b"FLYTETEMPORAL_ATTEMPT="
# Fields of /proc/PID/stat, counted from behind the name, which can contain spaces and parentheses.
_STATE, _BEGAN = 0, 19


def began(pid: int) -> str:
    """Return the start time of a process, which with its id is unique; an empty text if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[_STATE] in "ZX" else fields[_BEGAN]


def alive(noted: Iterable[tuple[int, str]]) -> list[int]:
    """Return those of the noted processes that still run.

    Notes are needed besides ``tagged``: /proc shows a fork of the fork server with the environment of the server.
    """
    return sorted({pid for pid, moment in noted if began(pid) == moment})


def tagged(home: Path) -> list[int]:
    """Return the running programs that tasks of the stack in ``home`` started, noted or not."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if _TAG in content and str(home).encode() in content and began(int(path.parent.name)):
            found.append(int(path.parent.name))
    return found
