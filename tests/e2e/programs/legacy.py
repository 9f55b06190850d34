"""Map tasks as flytekit wrote them before array nodes: tasks of type container_array."""

import functools
from typing import List, Optional

from flytekit import TaskMetadata, current_context, task, workflow
from flytekit.core.legacy_map_task import map_task
from flytekit.types.file import FlyteFile


@task
def scaled(a: int, factor: int) -> int:
    if a < 0:
        raise ValueError(f"{a} is negative")
    return a * factor


@task(retries=2)
def flaky(a: int) -> str:
    if a == 1 and current_context().execution_id is not None and not _tried_before():
        from flytekit.exceptions.user import FlyteRecoverableException

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


@workflow
def all_succeed(a: List[int], factor: int = 10) -> List[int]:
    return map_task(functools.partial(scaled, factor=factor), concurrency=2)(a=a)


@workflow
def some_fail(a: List[int]) -> str:
    return counted(values=map_task(functools.partial(scaled, factor=1), min_success_ratio=0.5)(a=a))


@workflow
def tried_again(a: List[int]) -> List[str]:
    return map_task(flaky, metadata=TaskMetadata(retries=2))(a=a)


@workflow
def files(a: List[int]) -> str:
    return joined(files=map_task(written)(a=a))
