"""What the fault suite expects of removals. A judge that finds nothing would call every run clean."""

import dataclasses

from faults.removals import Kept, judge_left, staying


def root(row: int, source: int = 0) -> Kept:
    return Kept(row, is_root=True, source=source, phase="SUCCEEDED", nodes=3, tasks=1, files=frozenset({f"f{row}"}))


def child(row: int, parent: int) -> Kept:
    return dataclasses.replace(root(row, parent), is_root=False)


# "again" was recovered from "failed", which has a child, and so has "old".
EXECUTIONS = {
    "old": root(1),
    "below-old": child(2, 1),
    "failed": root(3),
    "below-failed": child(4, 3),
    "middle": root(5),
    "again": root(6, 3),
    "newest": root(7),
}


def test_the_newest_stay_and_so_do_their_sources_with_what_is_below() -> None:
    assert staying(EXECUTIONS, 1) == {"newest"}
    assert staying(EXECUTIONS, 2) == {"newest", "again", "failed", "below-failed"}


def test_what_is_left_as_it_was_is_clean() -> None:
    assert judge_left(EXECUTIONS, {"newest": EXECUTIONS["newest"]}, {"newest"}) == []


def test_what_was_removed_too_much_or_not_at_all_is_found() -> None:
    assert judge_left(EXECUTIONS, {}, {"newest"}) == ["newest was removed, but must stay"]
    assert judge_left(EXECUTIONS, {"old": EXECUTIONS["old"]}, set()) == ["old was not removed"]


def test_what_an_execution_that_stays_has_lost_is_found() -> None:
    harmed = dataclasses.replace(EXECUTIONS["newest"], nodes=2, files=frozenset())

    assert judge_left(EXECUTIONS, {"newest": harmed}, {"newest"}) == [
        "the nodes of newest changed from 3 to 2",
        "f7 of newest is gone",
    ]
