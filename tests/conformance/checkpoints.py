"""Checkpoints: an attempt reads what the previous attempt saved."""

from case import Case
from flytekit import current_context, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException


@task(retries=3)
def count_up(goal: int) -> int:
    checkpoint = current_context().checkpoint
    saved = checkpoint.read()
    count = int(saved.decode()) + 1 if saved else 1
    checkpoint.write(str(count).encode())
    if count < goal:
        raise FlyteRecoverableException(f"{count} of {goal}")
    return count


@workflow
def counted(goal: int) -> int:
    return count_up(goal=goal)


CASES = [Case(counted, {"goal": 3}, {"o0": 3})]
