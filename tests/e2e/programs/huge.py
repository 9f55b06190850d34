"""Strings of megabytes through every kind of node."""

from functools import partial

from flytekit import LaunchPlan, conditional, dynamic, map_task, task, workflow

BIG = "constant" * 400_000


@task
def make(size: int) -> str:
    return "x" * size


@task
def parts(size: int) -> list[str]:
    return ["x" * size, "y" * size]


@task
def named(size: int) -> dict[str, str]:
    return {"first": "f" * size, "second": "short"}


@task
def length(text: str) -> int:
    return len(text)


@task
def double(text: str) -> str:
    return text + text


@task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@task
def same(text: str) -> str:
    return text


@dynamic
def made(text: str) -> int:
    return total(numbers=[length(text=text), length(text=BIG)])


@workflow
def inner(text: str) -> tuple[str, int]:
    return text, length(text=text)


plan = LaunchPlan.get_or_create(inner, name="huge.inner_plan")


@workflow
def huge(size: int = 3_000_000) -> tuple[str, int, int, int, int, int, list[str], str]:
    text = make(size=size)
    text, below = inner(text=text)
    _, launched = plan(text=text)
    chosen = conditional("long").if_(text == "short").then(same(text="no")).else_().then(same(text=text))
    doubled = map_task(partial(double))(text=parts(size=size))
    return (
        text, below, launched, made(text=text), length(text=BIG), length(text=chosen), doubled,
        same(text=named(size=size)["second"]),
    )  # fmt: skip


@dynamic
def again(depth: int) -> int:
    return again(depth=depth + 1)


@workflow
def runaway() -> int:
    return again(depth=0)
