from decimal import Decimal

import pytest
from flyteidl.core import tasks_pb2

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
