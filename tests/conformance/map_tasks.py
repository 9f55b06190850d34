"""Map tasks: one or several mapped inputs, bound inputs, concurrency, empty lists, gathered outputs."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Optional

from case import Case, NodePhase, Run, TaskPhase
from flytekit import map_task, task, workflow
from flytekit.types.file import FlyteFile


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task
def scale(a: int, factor: int, offset: List[int]) -> int:
    return a * factor + sum(offset)


@task
def remember(a: int) -> None:
    print(a)


@task
def numbers(count: int) -> List[int]:
    return list(range(count))


@task
def total(values: List[int]) -> int:
    return sum(values)


@task
def factor_of(a: int) -> int:
    return a + 5


@dataclass
class Item:
    name: str
    sizes: List[int] = field(default_factory=list)


@task
def grow(item: Item, by: int) -> Item:
    return Item(item.name.upper(), [size + by for size in item.sizes])


@task
def make_files(count: int) -> List[FlyteFile]:
    files = [FlyteFile.new_remote_file(f"{number}.txt") for number in range(count)]
    for number, file in enumerate(files):
        with file.open("w") as opened:
            opened.write(str(number))
    return files


@task
def read(file: FlyteFile, maybe: Optional[int]) -> Optional[str]:
    text = Path(file.download()).read_text()
    return None if maybe is None else f"{text}+{maybe}"


@task
def transpose(rows: List[int]) -> List[int]:
    return rows[::-1]


@workflow
def of_objects(items: List[Item], by: Item) -> (List[Item], Item):
    grown = map_task(functools.partial(grow, by=by.sizes[0]))(item=items)
    return grown, grown[1]


@workflow
def of_files(count: int, maybe: List[Optional[int]]) -> List[Optional[str]]:
    return map_task(read)(file=make_files(count=count), maybe=maybe)


@workflow
def of_lists(rows: List[List[int]]) -> List[List[int]]:
    return map_task(transpose)(rows=rows)


@workflow
def several_inputs(a: List[int], b: List[int]) -> List[int]:
    return map_task(add)(a=a, b=b)


@workflow
def bound_inputs(a: List[int]) -> List[int]:
    factor = factor_of(a=2)
    return map_task(functools.partial(scale, factor=factor, offset=[1, 2]))(a=a)


@workflow
def two_at_once(count: int) -> int:
    return total(values=map_task(add, concurrency=2)(a=numbers(count=count), b=numbers(count=count)))


@workflow
def without_outputs(a: List[int]) -> None:
    map_task(remember)(a=a)


@workflow
def one_after_the_other(a: List[int]) -> List[int]:
    first = map_task(functools.partial(add, b=1))(a=a)
    return map_task(functools.partial(add, b=10))(a=first)


def shows_its_elements(run: Run) -> None:
    (name,) = [name for name, node in run.nodes().items() if node.metadata.is_array]
    (attempt,) = run.attempts(name)
    assert attempt.closure.phase == TaskPhase.SUCCEEDED
    elements = attempt.closure.metadata.external_resources
    assert [element.index for element in elements] == [0, 1, 2]
    assert {element.phase for element in elements} == {TaskPhase.SUCCEEDED}
    assert run.nodes()[name].closure.phase == NodePhase.SUCCEEDED


CASES = [
    Case(several_inputs, {"a": [1, 2, 3], "b": [10, 20, 30]}, {"o0": [11, 22, 33]}, check=shows_its_elements),
    Case(several_inputs, {"a": [], "b": []}, {"o0": []}),
    Case(several_inputs, {"a": [1, 2], "b": [1]}, phase="FAILED", code="InvalidArrayLength", error="different lengths"),
    Case(bound_inputs, {"a": [1, 2]}, {"o0": [10, 17]}),
    Case(
        of_objects,
        {"items": [Item("a", [1]), Item("b", [2, 3])], "by": Item("by", [10])},
        {"o0": [Item("A", [11]), Item("B", [12, 13])], "o1": Item("B", [12, 13])},
    ),
    Case(of_files, {"count": 3, "maybe": [1, None, 3]}, {"o0": ["0+1", None, "2+3"]}),
    Case(of_lists, {"rows": [[1, 2], [], [3]]}, {"o0": [[2, 1], [], [3]]}),
    Case(two_at_once, {"count": 5}, {"o0": 20}),
    Case(without_outputs, {"a": [1, 2]}),
    Case(one_after_the_other, {"a": [1, 2]}, {"o0": [12, 13]}),
]
