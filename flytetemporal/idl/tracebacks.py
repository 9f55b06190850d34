"""Put what users look for first into errors that carry a Python traceback. Pure.

flytekit begins its messages with its own frames, and lists cut messages after 100 bytes: the rest would tell nothing.
"""

import re
from dataclasses import dataclass

HEADING = "Traceback (most recent call last):"
SHOWN_FRAMES = 5
# Code that is not the user's: installed packages and Python's own library.
_FOREIGN = re.compile(r"/(site|dist)-packages/|/lib(64)?/python\d|^<")
_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$')
# Tasks run in a folder of this name, in images as in process tasks; what lies above it is of no interest.
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
    """Return the message with the exception and the user's frames, innermost first, before the rest."""
    if HEADING not in message or not message.lstrip().startswith(("Trace:", HEADING)):
        return message
    # Of chained exceptions the last one is what ended the task.
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
    """Return the first line after the frames that is indented less than they are: the exception itself."""
    frame_indents = [len(line) - len(line.lstrip()) for line in lines if _FRAME.match(line)]
    if not frame_indents:
        return ""
    for line in lines[1:]:
        if line.strip() and len(line) - len(line.lstrip()) < min(frame_indents):
            return line.strip()
    return ""
