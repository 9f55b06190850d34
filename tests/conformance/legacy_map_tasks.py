"""Map tasks as flytekit wrote them before array nodes: tasks of type ``container_array``."""

import functools
from typing import List, Optional

from case import Case, Run
from flytekit import TaskMetadata, current_context, task, workflow
from flytekit.core.legacy_map_task import map_task
from flytekit.exceptions.user import FlyteRecoverableException
from flytekit.types.file import FlyteFile


@task
def scaled(a: int, factor: int) -> int:
    return a * factor


@task
def checked(a: int) -> int:
    if a < 0:
        raise ValueError(f"{a} is negative")
    return a


@task(retries=2)
def flaky(a: int) -> str:
    if a == 1 and current_context().execution_id is not None and not _tried_before():
        raise FlyteRecoverableException("not yet")
    return f"<{a}>"


def _tried_before() -> bool:
    checkpoint = current_context().checkpoint
    before = checkpoint.read()
    checkpoint.write(b"tried")
    return before is not None


@task
def written(a: int) -> FlyteFile:
    with open("out.txt", "w") as file:
        file.write(str(a))
    return FlyteFile("out.txt")


@task
def joined(files: List[FlyteFile]) -> str:
    return ",".join(open(file).read() for file in files)


@task
def counted(values: List[Optional[int]]) -> str:
    return ",".join(str(value) for value in values)


@task
def texts(size: int) -> List[str]:
    return [letter * size for letter in "xyz"]


@task
def repeated(letter: str, size: int) -> str:
    return letter * size


@task
def put_together(text: str, tail: str) -> str:
    return text + tail


@task
def lengths(texts: List[str]) -> str:
    return ",".join(f"{text[0]}{len(text)}{text[-1]}" for text in texts)


@workflow
def all_succeed(a: List[int], factor: int) -> List[int]:
    return map_task(functools.partial(scaled, factor=factor), concurrency=2)(a=a)


@workflow
def some_fail(a: List[int]) -> str:
    return counted(values=map_task(checked, min_success_ratio=0.5)(a=a))


@workflow
def tried_again(a: List[int]) -> List[str]:
    return map_task(flaky, metadata=TaskMetadata(retries=2))(a=a)


@workflow
def files(a: List[int]) -> str:
    return joined(files=map_task(written)(a=a))


@workflow
def large(size: int) -> str:
    tail = repeated(letter="t", size=size)
    return lengths(texts=map_task(functools.partial(put_together, tail=tail))(text=texts(size=size)))


def one_task_to_clients(run: Run) -> None:
    (task_execution,) = run.attempts("n0")
    assert task_execution.closure.task_type == "container_array"
    assert {resource.index for resource in task_execution.closure.metadata.external_resources} == {0, 1, 2}
    assert not run.nodes()["n0"].metadata.is_array


def one_was_tried_again(run: Run) -> None:
    (task_execution,) = run.attempts("n0")
    resources = task_execution.closure.metadata.external_resources
    assert (1, 1) in [(resource.index, resource.retry_attempt) for resource in resources]


CASES = [
    Case(all_succeed, {"a": [1, 2, 3], "factor": 10}, {"o0": [10, 20, 30]}, check=one_task_to_clients),
    Case(some_fail, {"a": [1, -2, 3]}, {"o0": "1,None,3"}),
    Case(some_fail, {"a": [-1, -2, 3]}, phase="FAILED", error="-1 is negative"),
    Case(tried_again, {"a": [0, 1, 2]}, {"o0": ["<0>", "<1>", "<2>"]}, check=one_was_tried_again),
    Case(files, {"a": [7, 8]}, {"o0": "7,8"}),
    Case(large, {"size": 100_000}, {"o0": "x200000t,y200000t,z200000t"}),
    Case(large, {"size": 3_000_000}, {"o0": "x6000000t,y6000000t,z6000000t"}),
]
