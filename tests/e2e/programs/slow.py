"""Slow tasks, to be interrupted, that record each of their runs."""

import time
from pathlib import Path

from flytekit import task, workflow


@task
def mark(folder: str, name: str, seconds: float, after: int = 0) -> int:
    with (Path(folder) / name).open("a") as marks:
        marks.write("started\n")
    time.sleep(seconds)
    with (Path(folder) / name).open("a") as marks:
        marks.write("ended\n")
    return after + 1


@workflow
def three_steps(folder: str, seconds: float = 2.0) -> int:
    first = mark(folder=folder, name="first", seconds=seconds)
    second = mark(folder=folder, name="second", seconds=seconds, after=first)
    return mark(folder=folder, name="third", seconds=seconds, after=second)


@task
def hold(folder: str) -> int:
    """Run until the file ``go`` exists."""
    with (Path(folder) / "first").open("a") as marks:
        marks.write("started\n")
    while not (Path(folder) / "go").exists():
        time.sleep(0.05)
    return 1


@workflow
def held(folder: str) -> int:
    return mark(folder=folder, name="second", seconds=0.0, after=hold(folder=folder))
