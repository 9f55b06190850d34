"""Cached tasks: the second run takes the outputs of the first, and clients see from where."""

import functools
import time
import uuid
from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from case import Case, Run
from flyteidl.core import catalog_pb2
from flytekit import HashMethod, dynamic, map_task, task, workflow
from flytekit.core.cache import Cache
from flytekit.core.legacy_map_task import map_task as legacy_map_task


@dataclass
class Point:
    x: int
    y: int


@task(cache=Cache(version="1"))
def drawn(seed: int) -> str:
    return uuid.uuid4().hex


@task(cache=Cache(version="1", ignored_inputs=("noise",)))
def drawn_with_noise(seed: int, noise: int) -> str:
    return uuid.uuid4().hex


@task(cache=Cache(version="1"))
def drawn_at(seed: int, point: Point) -> str:
    return uuid.uuid4().hex


@task(cache=Cache(version="1"))
def silent(seed: int) -> None:
    print(seed)


@task(cache=Cache(version="1"))
def drawn_element(number: int, seed: int) -> str:
    return uuid.uuid4().hex


@task(cache=Cache(version="1", serialize=True))
def drawn_alone(seed: int) -> str:
    time.sleep(1)
    return uuid.uuid4().hex


@dynamic(cache=Cache(version="1"))
def drawn_below(seed: int) -> str:
    return uncached(seed=seed)


@dynamic(cache=Cache(version="1", serialize=True))
def drawn_below_alone(seed: int) -> str:
    return slow(seed=seed)


def content(frame: pd.DataFrame) -> str:
    return str(frame["a"].sum())


@task
def table() -> Annotated[pd.DataFrame, HashMethod(content)]:
    return pd.DataFrame({"a": [1, 2]})


@task(cache=Cache(version="1"))
def drawn_of_table(frame: pd.DataFrame, seed: int) -> str:
    return uuid.uuid4().hex


@task
def uncached(seed: int) -> str:
    return uuid.uuid4().hex


@task
def slow(seed: int) -> str:
    time.sleep(3)
    return uuid.uuid4().hex


@task
def all_same(values: list[str]) -> bool:
    return len(set(values)) == 1


@task
def elements_are_shared(first: list[str], second: list[str]) -> bool:
    return second[0] == first[2] and second[2] == first[0] and second[1] not in first


@task
def same(a: str, b: str) -> bool:
    return a == b


@workflow
def drawn_twice(seed: int) -> bool:
    first = drawn(seed=seed)
    second = drawn(seed=seed)
    first >> second
    return same(a=first, b=second)


@workflow
def drawn_below_twice(seed: int) -> bool:
    first = drawn_below(seed=seed)
    second = drawn_below(seed=seed)
    first >> second
    return same(a=first, b=second)


@workflow
def drawn_below_at_once(seed: int) -> bool:
    return all_same(values=[drawn_below_alone(seed=seed), drawn_below_alone(seed=seed)])


@workflow
def old_mapped_twice(seed: int) -> bool:
    first = legacy_map_task(functools.partial(drawn_element, seed=seed))(number=[1, 2, 3])
    second = legacy_map_task(functools.partial(drawn_element, seed=seed))(number=[3, 4, 1])
    first >> second
    return elements_are_shared(first=first, second=second)


@workflow
def of_tables(seed: int) -> bool:
    first = drawn_of_table(frame=table(), seed=seed)
    second = drawn_of_table(frame=table(), seed=seed)
    first >> second
    return same(a=first, b=second)


@workflow
def with_noise(seed: int) -> bool:
    first = drawn_with_noise(seed=seed, noise=1)
    second = drawn_with_noise(seed=seed, noise=2)
    first >> second
    return same(a=first, b=second)


@workflow
def at_points(seed: int) -> bool:
    first = drawn_at(seed=seed, point=Point(x=1, y=2))
    second = drawn_at(seed=seed, point=Point(x=2, y=1))
    first >> second
    return same(a=first, b=second)


@workflow
def without_outputs(seed: int) -> None:
    silent(seed=seed) >> silent(seed=seed)


@workflow
def mapped_twice(seed: int) -> bool:
    first = map_task(functools.partial(drawn_element, seed=seed))(number=[1, 2, 3])
    second = map_task(functools.partial(drawn_element, seed=seed))(number=[3, 4, 1])
    first >> second
    return elements_are_shared(first=first, second=second)


@workflow
def drawn_at_once(seed: int) -> bool:
    return all_same(values=[drawn_alone(seed=seed), drawn_alone(seed=seed), drawn_alone(seed=seed)])


# The catalog outlives a run of these cases.
SEED = int(time.time())


def statuses(run: Run, *node_ids: str) -> list[str]:
    nodes = run.nodes()
    name = catalog_pb2.CatalogCacheStatus.Name
    return [name(nodes[node_id].closure.task_node_metadata.cache_status) for node_id in node_ids]


def second_is_a_hit(run: Run) -> None:
    assert statuses(run, "n0", "n1") == ["CACHE_POPULATED", "CACHE_HIT"]
    key = run.nodes()["n1"].closure.task_node_metadata.catalog_key
    assert key.source_task_execution.node_execution_id.execution_id == run.id
    assert key.source_task_execution.node_execution_id.node_id == "n0"
    assert len(run.attempts("n0")) == 1
    assert run.attempts("n1") == []
    assert run.data("n1").full_outputs == run.data("n0").full_outputs
    assert run.data("n1").full_inputs.literals


def content_counts(run: Run) -> None:
    assert statuses(run, "n1", "n3") == ["CACHE_POPULATED", "CACHE_HIT"]
    assert run.data("n0").full_outputs != run.data("n2").full_outputs  # Two files.


def whole_node_is_a_hit(run: Run) -> None:
    second_is_a_hit(run)
    assert set(run.nodes(parent="n0")) == {"n0-0-start-node", "n0-0-dn0", "n0-0-end-node"}
    assert run.nodes(parent="n1") == {}
    nodes = run.nodes()
    assert [nodes[node_id].metadata.is_dynamic for node_id in ("n0", "n1")] == [True, False]


def one_workflow_was_generated(run: Run) -> None:
    assert sorted(statuses(run, "n0", "n1")) == ["CACHE_HIT", "CACHE_POPULATED"]
    assert sorted(len(run.nodes(parent=node_id)) for node_id in ("n0", "n1")) == [0, 3]


def both_run(run: Run) -> None:
    assert statuses(run, "n0", "n1") == ["CACHE_POPULATED", "CACHE_POPULATED"]


def nothing_is_cached(run: Run) -> None:
    assert statuses(run, "n0", "n1") == ["CACHE_DISABLED", "CACHE_DISABLED"]
    assert [len(run.attempts(node_id)) for node_id in ("n0", "n1")] == [1, 1]


def elements_are_found(run: Run) -> None:
    (attempt,) = run.attempts("n1")
    resources = sorted(attempt.closure.metadata.external_resources, key=lambda resource: resource.index)
    name = catalog_pb2.CatalogCacheStatus.Name
    found = [name(resource.cache_status) for resource in resources]
    assert found == ["CACHE_HIT", "CACHE_POPULATED", "CACHE_HIT"]
    assert [len(resource.logs) for resource in resources] == [0, 1, 0]


def one_has_run(run: Run) -> None:
    ids = ("n0", "n1", "n2")
    assert sorted(statuses(run, *ids)) == ["CACHE_HIT", "CACHE_HIT", "CACHE_POPULATED"]
    assert sorted(len(run.attempts(node_id)) for node_id in ids) == [0, 0, 1]


CASES = [
    Case(drawn_at_once, {"seed": SEED}, {"o0": True}, check=one_has_run),
    Case(drawn_twice, {"seed": SEED}, {"o0": True}, check=second_is_a_hit),
    Case(drawn_below_twice, {"seed": SEED}, {"o0": True}, check=whole_node_is_a_hit),
    Case(drawn_below_at_once, {"seed": SEED}, {"o0": True}, check=one_workflow_was_generated),
    Case(of_tables, {"seed": SEED}, {"o0": True}, check=content_counts),
    Case(with_noise, {"seed": SEED}, {"o0": True}, check=second_is_a_hit),
    Case(at_points, {"seed": SEED}, {"o0": False}, check=both_run),
    Case(drawn_twice, {"seed": SEED + 1}, {"o0": False}, check=both_run, launched={"overwrite_cache": True}),
    Case(mapped_twice, {"seed": SEED}, {"o0": True}, check=elements_are_found),
    Case(old_mapped_twice, {"seed": SEED + 2}, {"o0": True}, check=elements_are_found),
    Case(without_outputs, {"seed": SEED}, {}, check=nothing_is_cached),
]
