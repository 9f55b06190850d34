"""Shapes that grow: leaves inside one dynamic task as in Flyte's public benchmark, wide maps, deep recursion."""

from datetime import timedelta

from flytekit import dynamic, map_task, reference_task, task, workflow
from flytekitplugins.sleep import Sleep


@task(task_config=Sleep())
def nap(duration: timedelta) -> None: ...


@dynamic
def fan_out(leaves: int, duration: timedelta) -> None:
    for _ in range(leaves):
        nap(duration=duration)


@dynamic
def chained(leaves: int, duration: timedelta) -> None:
    before = None
    for _ in range(leaves):
        node = nap(duration=duration)
        if before is not None:
            before >> node
        before = node


@workflow
def fan_out_wf(leaves: int, duration: timedelta = timedelta(0)) -> None:
    fan_out(leaves=leaves, duration=duration)


@workflow
def chained_wf(leaves: int, duration: timedelta = timedelta(0)) -> None:
    chained(leaves=leaves, duration=duration)


@task
def numbers(count: int) -> list[int]:
    return list(range(count))


@task
def double(a: int) -> int:
    return 2 * a


@workflow
def mapped(count: int) -> list[int]:
    return map_task(double)(a=numbers(count=count))


@task
def durations(count: int, duration: timedelta) -> list[timedelta]:
    return [duration] * count


@workflow
def mapped_naps(count: int, duration: timedelta = timedelta(0)) -> None:
    map_task(nap)(duration=durations(count=count, duration=duration))


@dynamic
def merge_sort(values: list[int], depth: int) -> list[int]:
    """Split recursively, ``depth`` times."""
    if depth == 0 or len(values) < 2:
        return sorted_values(values=values)
    middle = len(values) // 2
    left = merge_sort(values=values[:middle], depth=depth - 1)
    right = merge_sort(values=values[middle:], depth=depth - 1)
    return merged(left=left, right=right)


@task
def sorted_values(values: list[int]) -> list[int]:
    return sorted(values)


@task
def merged(left: list[int], right: list[int]) -> list[int]:
    return sorted(left + right)


@workflow
def sort_wf(count: int, depth: int = 8) -> list[int]:
    return merge_sort(values=shuffled(count=count), depth=depth)


@task
def shuffled(count: int) -> list[int]:
    return [(7919 * i) % count for i in range(count)]


@reference_task(project="flytesnacks", domain="development", name="bench.echo", version="bench")
def echo_element(a: int) -> int: ...


@workflow
def mapped_echo(count: int) -> list[int]:
    return map_task(echo_element)(a=numbers(count=count))
