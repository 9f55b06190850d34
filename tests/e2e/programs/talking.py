"""A task that prints, waits for a file, and prints again; and one that fails after it has printed."""

import time
from pathlib import Path

from flytekit import task, workflow


@task
def talk(until: str) -> int:
    print("the first line", flush=True)
    while not Path(until).exists():
        time.sleep(0.05)
    print("the last line", flush=True)
    return 1


@task
def break_down(number: int) -> int:
    print("before the end", flush=True)
    if number:
        raise ValueError("it broke")
    return number


@workflow
def talking(until: str) -> int:
    return talk(until=until)


@workflow
def breaking(number: int = 1) -> int:
    return break_down(number=number)
