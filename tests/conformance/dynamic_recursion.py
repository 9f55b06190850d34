"""Dynamic workflows that call themselves: a merge sort whose recursion is four levels deep."""

from typing import List

from case import Case, NodePhase, Run
from flytekit import dynamic, task, workflow


@task
def merge(left: List[int], right: List[int]) -> List[int]:
    merged, i, j = [], 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return [*merged, *left[i:], *right[j:]]


@dynamic
def sort(numbers: List[int], small: int) -> List[int]:
    if len(numbers) <= small:
        return sorted(numbers)
    middle = len(numbers) // 2
    return merge(left=sort(numbers=numbers[:middle], small=small), right=sort(numbers=numbers[middle:], small=small))


@workflow
def merge_sort(numbers: List[int], small: int = 1) -> List[int]:
    return sort(numbers=numbers, small=small)


def is_nested(run: Run) -> None:
    level, depth = {"n0": run.nodes()["n0"]}, 0
    while True:
        assert {node.closure.phase for node in level.values()} == {NodePhase.SUCCEEDED}
        dynamic_ones = [name for name, node in level.items() if node.metadata.is_dynamic]
        if not dynamic_ones:
            break
        depth += 1
        level = {}
        for name in dynamic_ones:
            below = run.nodes(name)
            assert run.data(name).dynamic_workflow.compiled_workflow.primary.template.id.name.startswith("dynamic_")
            level |= {child: node for child, node in below.items() if not child.endswith("-node")}
    # The last level consists of sorts that returned a list at once; they are no dynamic nodes.
    assert depth == 4


NUMBERS = [9, -3, 7, 7, 0, 12, 5, 1, 8]
CASES = [Case(merge_sort, {"numbers": NUMBERS}, {"o0": sorted(NUMBERS)}, check=is_nested)]
