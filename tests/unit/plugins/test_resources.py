from decimal import Decimal

import pytest
from flyteidl.core import tasks_pb2

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.plugins import resources

CPU, MEMORY = tasks_pb2.Resources.CPU, tasks_pb2.Resources.MEMORY


def entry(name: tasks_pb2.Resources.ResourceName, value: str) -> tasks_pb2.Resources.ResourceEntry:
    return tasks_pb2.Resources.ResourceEntry(name=name, value=value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("500Mi", 500 * 2**20),
        ("1.5G", 1_500_000_000),
        ("2e3", 2000),
        ("2000m", 2),
        ("1Ki", 1024),
        ("3E", 3e18),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(text: str, value: float) -> None:
    assert resources.quantity(text) == value


@pytest.mark.parametrize("text", ["", "lots", "1 Gi", "1GiB", "--1"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        resources.quantity(text)


def test_overrides_win_name_by_name() -> None:
    own = tasks_pb2.Resources(requests=[entry(CPU, "1"), entry(MEMORY, "1Gi")], limits=[entry(CPU, "2")])
    override = tasks_pb2.Resources(requests=[entry(MEMORY, "2Gi")])

    merged = resources.merged(own, override)

    assert list(merged.requests) == [entry(CPU, "1"), entry(MEMORY, "2Gi")]
    assert list(merged.limits) == [entry(CPU, "2")]


def test_a_limit_precedes_a_request() -> None:
    asked = tasks_pb2.Resources(requests=[entry(MEMORY, "1Gi")])
    limited = tasks_pb2.Resources(requests=[entry(MEMORY, "1Gi")], limits=[entry(MEMORY, "2Gi")])

    assert resources.memory_bytes(asked) == 2**30
    assert resources.memory_bytes(limited) == 2**31
    assert resources.memory_bytes(tasks_pb2.Resources()) == 0


def test_cpus_are_read_in_the_same_order() -> None:
    asked = tasks_pb2.Resources(requests=[entry(CPU, "500m")], limits=[entry(MEMORY, "2Gi")])

    assert resources.cpus(asked) == Decimal("0.5")
    assert resources.cpus(tasks_pb2.Resources()) == 0


def rule(task: str = "", factor: float = 2, maximum: int = 2**33) -> execution_pb2.MemoryRule:
    return execution_pb2.MemoryRule(task=task, factor=factor, maximum_bytes=maximum, steps=1)


@pytest.mark.parametrize(
    ("rules", "memory", "expected"),
    [
        ([], "1Gi", 0),
        ([rule("other")], "1Gi", 0),
        ([rule("train"), rule(factor=8)], "1Gi", 2**31),
        ([rule("other"), rule(factor=8)], "1Gi", 2**33),
        ([rule(factor=1.5)], "3", 5),
        ([rule(factor=100)], "1Gi", 2**33),
        ([rule()], "8Gi", 0),
        ([rule()], "16Gi", 0),
        ([rule()], "0", 0),
        ([rule()], "-1Gi", 0),
        ([rule()], "1e999", 0),
    ],
)
def test_memory_grows_by_the_first_rule_of_the_task_up_to_its_maximum(
    rules: list[execution_pb2.MemoryRule], memory: str, expected: int
) -> None:
    asked = tasks_pb2.Resources(requests=[entry(MEMORY, memory)])

    assert resources.raised_memory(rules, "train", asked) == expected


def test_a_task_without_memory_gets_no_more() -> None:
    assert resources.raised_memory([rule()], "train", tasks_pb2.Resources(requests=[entry(CPU, "1")])) == 0


def test_raised_memory_is_request_and_limit() -> None:
    own = tasks_pb2.Resources(requests=[entry(CPU, "1"), entry(MEMORY, "1Gi")], limits=[entry(MEMORY, "2Gi")])

    raised = resources.with_memory(own, 3 * 2**29)

    assert list(raised.requests) == [entry(CPU, "1"), entry(MEMORY, "1536Mi")]
    assert list(raised.limits) == [entry(MEMORY, "1536Mi")]
