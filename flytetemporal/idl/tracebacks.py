"""Move the exception and the user's frames to the start of errors with a Python traceback. Pure.

flytekit's messages start with its own frames, and lists cut messages after 100 bytes: without this they would show
nothing of the user's error.
"""

import re
from dataclasses import dataclass

HEADING = "Traceback (most recent call last):"
SHOWN_FRAMES = 5
# Installed packages and Python's standard library: not the user's code.
_FOREIGN = re.compile(r"/(site|dist)-packages/|/lib(64)?/python\d|^<")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
# Tasks run in a folder of this name, in images as well as in process tasks. The path above it is of no use to the user.
_TASK_FOLDER = "/root/"


@dataclass(frozen=True, slots=True)
class _Frame:
    file: str
    line: str
    function: str
    code: str

    def text(self) -> str:
        place = f"{self.file.rpartition(_TASK_FOLDER)[2]}:{self.line}"
        return f"  {place} in {self.function}" + (f": {self.code}" if self.code else "")


def user_frames_first(message: str) -> str:
    """Return the message with the exception and the user's frames, innermost first, put before it."""
    if HEADING not in message or not message.lstrip().startswith(("Trace:", HEADING)):
        return message
    # The last of several chained exceptions is the one that ended the task.
    lines = message.rpartition(HEADING)[2].splitlines()
    exception = _exception(lines)
    if not exception:
        return message
    frames = [frame.text() for frame in reversed(_frames(lines)) if not _FOREIGN.search(frame.file)]
    return "\n".join([exception, *frames[:SHOWN_FRAMES], "", message])


def _frames(lines: list[str]) -> list[_Frame]:
    found = []
    for number, line in enumerate(lines):
        match = _FRAME.match(line)
        if match is not None:
            after = lines[number + 1].strip() if number + 1 < len(lines) else ""
            code = "" if _FRAME.match(after) else after
            found.append(_Frame(match["file"], match["line"], match["function"] or "<module>", code))
    return found


def _exception(lines: list[str]) -> str:
    """Return the first line that is indented less than the frames: the exception itself."""
    frame_indents = [len(line) - len(line.lstrip()) for line in lines if _FRAME.match(line)]
    if not frame_indents:
        return ""
    for line in lines[1:]:
        if line.strip() and len(line) - len(line.lstrip()) < min(frame_indents):
            return line.strip()
    return ""
