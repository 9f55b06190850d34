"""What the fault suite finds wrong after the deletion of a project. A judge without findings calls every run clean."""

from pathlib import Path

from faults.projects import CHILD, DOOMED, FOLLOWER, SOURCE, files_of, judge_other

WHOLE = {(plan, "SUCCEEDED"): 2 for plan in (SOURCE, FOLLOWER, CHILD)}


def test_a_project_that_is_whole_is_clean() -> None:
    assert judge_other(WHOLE, 2) == []


def test_what_another_project_has_lost_or_has_too_much_is_found() -> None:
    lost = {**WHOLE, (FOLLOWER, "SUCCEEDED"): 1}
    ended = {**WHOLE, (SOURCE, "SUCCEEDED"): 1, (SOURCE, "ABORTED"): 1}

    assert judge_other(lost, 2) == [f"of {FOLLOWER}, 1 executions are SUCCEEDED in the other project, not 2"]
    assert judge_other(ended, 2) == [
        f"of {SOURCE}, 1 executions are ABORTED in the other project, not 0",
        f"of {SOURCE}, 1 executions are SUCCEEDED in the other project, not 2",
    ]


def test_files_of_the_project_are_found_and_those_of_others_are_not(tmp_path: Path) -> None:
    left = tmp_path / "metadata" / "propeller" / f"{DOOMED}-development-one" / "data" / "inputs.pb"
    other = tmp_path / "metadata" / "propeller" / "flytesnacks-development-one" / "inputs.pb"
    for file in (left, other):
        file.parent.mkdir(parents=True)
        file.touch()

    assert files_of(str(tmp_path)) == [str(left)]
