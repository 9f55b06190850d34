"""``with_overrides``: name, resources, retries, timeout, interruptible, image and cache of a node."""

import datetime as dt
import os
from typing import List

from case import Case, Run
from flyteidl.event import event_pb2
from flytekit import Resources, dynamic, map_task, task, workflow
from flytekit.exceptions.user import FlyteRecoverableException


@task(retries=0, timeout=dt.timedelta(hours=1), requests=Resources(mem="100Mi"))
def flaky(fails: int) -> int:
    attempt = int(os.environ["FLYTE_ATTEMPT_NUMBER"])
    if attempt < fails:
        raise FlyteRecoverableException(f"attempt {attempt}")
    return attempt


@task
def add(a: int, b: int) -> int:
    return a + b


@workflow
def overridden(fails: int) -> int:
    first = flaky(fails=fails).with_overrides(
        node_name="renamed",
        aliases={"o0": "number"},
        requests=Resources(mem="200Mi"),
        limits=Resources(mem="300Mi"),
        retries=2,
        timeout=dt.timedelta(minutes=3),
        interruptible=True,
        container_image="another:1",
        cache=False,
    )
    return add(a=first, b=flaky(fails=0).with_overrides(name="its own name"))


@workflow
def inner(fails: int) -> int:
    return flaky(fails=fails)


@dynamic
def outer(fails: int) -> int:
    return flaky(fails=fails).with_overrides(retries=1)


@workflow
def of_other_nodes(fails: int) -> (int, int, List[int]):
    return (
        inner(fails=0).with_overrides(node_name="below"),
        outer(fails=fails).with_overrides(node_name="made", timeout=dt.timedelta(minutes=5)),
        map_task(flaky)(fails=[fails, 0]).with_overrides(retries=1, requests=Resources(cpu="100m")),
    )


def shows_the_overrides(run: Run) -> None:
    nodes = run.nodes()
    assert {"renamed", "n1", "n2"} <= set(nodes)
    assert [attempt.closure.metadata.instance_class for attempt in run.attempts("renamed")] == [
        event_pb2.TaskExecutionMetadata.INTERRUPTIBLE
    ] * 2
    assert nodes["n1"].metadata.spec_node_id == "n1"


def kept_its_names(run: Run) -> None:
    assert {"below", "made"} <= set(run.nodes())
    assert "made-0-dn0" in run.nodes("made")


CASES = [
    Case(of_other_nodes, {"fails": 1}, {"o0": 0, "o1": 1, "o2": [1, 0]}, check=kept_its_names),
    Case(overridden, {"fails": 1}, {"o0": 1}, check=shows_the_overrides),
    Case(overridden, {"fails": 9}, phase="FAILED", code="RetriesExhausted|USER:Recoverable", error="[3/3]"),
]
