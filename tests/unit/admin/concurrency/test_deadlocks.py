"""Executions that wait for each other's places are found, and only those."""

import pytest

from flytetemporal.admin.concurrency.deadlocks import stuck


@pytest.mark.parametrize(
    ("waiting", "running", "expected"),
    [
        ([], {"a": ["e1"]}, set()),
        # Its parent has the only place.
        ([("a", ["e1"])], {"a": ["e1"]}, {"a"}),
        # Another execution has a place, too, and gives it up when it ends.
        ([("a", ["e1"])], {"a": ["e1", "e2"]}, set()),
        ([("a", ["e1"]), ("a", ["e2"])], {"a": ["e1", "e2"]}, {"a"}),
        # The place that it waits for is of another launch plan, whose execution ends.
        ([("b", ["e1"])], {"a": ["e1"], "b": ["e2"]}, set()),
        # Each waits for the other's.
        ([("b", ["e1"]), ("a", ["e2"])], {"a": ["e1"], "b": ["e2"]}, {"a", "b"}),
        ([("b", ["e1"]), ("c", ["e2"]), ("a", ["e3"])], {"a": ["e1"], "b": ["e2"], "c": ["e3"]}, {"a", "b", "c"}),
        # One of a cycle can move, so all of them do.
        ([("b", ["e1"]), ("a", ["e2"])], {"a": ["e1"], "b": ["e2", "e3"]}, set()),
        # A grandparent has the place.
        ([("a", ["parent", "e1"])], {"a": ["e1"]}, {"a"}),
    ],
)
def test_a_scope_is_stuck_if_no_place_of_it_can_become_free(
    waiting: list[tuple[str, list[str]]], running: dict[str, list[str]], expected: set[str]
) -> None:
    assert stuck(waiting, running) == expected
