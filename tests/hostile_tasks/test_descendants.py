"""What tasks leave running: it ends with its attempt, whatever it does to hide, and not before."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.fixtures.task_attempts import Bench, template
from tests.fixtures.waiting import bounded, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A double fork into sessions of their own; an exec with an empty environment leaves no trace of the attempt.
HIDE = """
import os, sys
def hidden(program, *arguments):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.execve(program, [program, *arguments], {})
        os._exit(0)
    os.wait()
"""
NOTE = 'echo $$ >> "$1"; exec /bin/sleep 300'
# Each process notes itself, then forks twice into sessions of their own, down to a depth of seven.
BOMB = """
import os, sys, time
for depth in range(7):
    if os.fork() and os.fork():
        break
    os.setsid()
with open(sys.argv[1], "a") as notes:
    notes.write(f"{os.getpid()}\\n")
os.close(1), os.close(2)
time.sleep(300)
"""


def alive(notes: Path) -> list[int]:
    return [int(line) for line in notes.read_text().split() if os.path.exists(f"/proc/{line}")]


def waiting(notes: Path, count: int) -> str:
    """Return Python that waits until so many processes have noted themselves."""
    enough = f"os.path.exists({str(notes)!r}) and len(open({str(notes)!r}).read().split()) >= {count}"
    return f"import time\nwhile not ({enough}): time.sleep(0.01)\n"


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "os.kill(os.getpid(), 9)"], ids=["success", "failure", "kill"])
async def test_a_hidden_process_ends_with_its_attempt(bench: Bench, tmp_path: Path, end: str) -> None:
    notes = tmp_path / "notes"
    script = f"{HIDE}hidden('/bin/sh', '-c', {NOTE!r}, 'sh', {str(notes)!r})\n{waiting(notes, 1)}{end}"
    attempt = await bench.attempt(template((sys.executable, "-c", script), outputs=False))

    result = await bounded(bench.run(attempt))

    assert result.HasField("failure") == bool(end)
    assert not alive(notes)


async def test_a_bomb_of_processes_ends_with_its_attempt(bench: Bench, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    bomb = f"{HIDE}hidden({sys.executable!r}, '-c', {BOMB!r}, {str(notes)!r})\n{waiting(notes, 100)}"
    attempt = await bench.attempt(template((sys.executable, "-c", bomb), outputs=False))

    await bounded(bench.run(attempt))

    assert not alive(notes)


async def test_a_process_in_the_background_of_a_running_attempt_survives_the_end_of_another(
    bench: Bench, tmp_path: Path
) -> None:
    notes, go = tmp_path / "notes", tmp_path / "go"
    script = f"{HIDE}hidden('/bin/sh', '-c', {NOTE!r}, 'sh', {str(notes)!r})\n"
    script += f"import time\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
    running = asyncio.create_task(
        bench.run(await bench.attempt(template((sys.executable, "-c", script), outputs=False)))
    )
    await eventually(lambda: notes.exists() and bool(notes.read_text().strip()))

    await bounded(bench.run(await bench.attempt(template(("/bin/sh", "-c", "exit 0"), outputs=False))))

    assert alive(notes)
    go.touch()
    await bounded(running)
    assert not alive(notes)
