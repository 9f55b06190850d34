"""The violations that the judge of the fault suite finds. A judge that finds none would call every run clean."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import judge, processes
from faults.executions import Run
from faults.judge import Records
from faults.kinds import AGAIN, KINDS, Kind

NAME = "f1x00001"


def kind(workflow: str, **wanted: Any) -> Kind:
    found = (each for each in KINDS if each.workflow == workflow)
    return next(each for each in found if all(getattr(each, name) == value for name, value in wanted.items()))


SINGLE, EXHAUSTED, PARENT = kind("single"), kind("exhausted"), kind("parent")
MAPPED = kind("mapped")
RACING = kind("chain", phase="ABORTED")
FORKED = next(each.again.kind for each in AGAIN if each.workflow == "chain" and each.again is not None)


@pytest.fixture
def single() -> Records:
    """The records of a single task without a violation."""
    records = Records(executions={NAME: ("SUCCEEDED", "")})
    records.nodes[NAME] = dict.fromkeys(("start-node", "n0", "end-node"), "SUCCEEDED")
    records.attempts[NAME]["n0"] = {0: "SUCCEEDED"}
    return records


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The notes of a single task without a violation."""
    note(tmp_path, "start")
    note(tmp_path, "end", at=10.1)
    return tmp_path


def note(folder: Path, event: str, at: float = 10.0, attempt: str = f"{NAME}-n0-0", pid: int = 0, **more: Any) -> None:
    line = {"event": event, "attempt": f"p/d/{attempt}", "pid": pid, "began": "1", "at": at, "running": [], **more}
    with (folder / NAME).open("a") as file:
        file.write(json.dumps(line) + "\n")


def found(
    records: Records,
    folder: Path,
    run: Run | None = None,
    *,
    stuck: tuple[str, ...] = (),
    kills: tuple[float, ...] = (),
) -> dict[str, list[str]]:
    verdict = judge.judge(records, [run or Run(NAME, SINGLE)], stuck, folder, kills)
    return {count: what for count, what in verdict.found.items() if what}


def test_correct_records_have_no_violation(single: Records, folder: Path) -> None:
    assert found(single, folder) == {}


def test_an_execution_without_a_row_is_lost(folder: Path) -> None:
    assert list(found(Records(), folder)) == ["lost"]


@pytest.mark.parametrize(("moment", "counts"), [(99.0, 0), (101.0, 0), (105.0, 1), (107.0, 0)])
def test_a_node_that_starts_during_a_pause_is_a_contradiction(
    single: Records, folder: Path, moment: float, counts: int
) -> None:
    single.queued[NAME]["n0"] = moment

    violations = found(single, folder, Run(NAME, SINGLE, paused_from=100.0, paused_until=106.0))

    assert len(violations.get("contradictory", [])) == counts


def test_an_execution_that_does_not_end_is_stuck(single: Records, folder: Path) -> None:
    single.executions[NAME] = ("RUNNING", "")

    assert found(single, folder, stuck=(NAME,)) == {"stuck": [f"{NAME} (single): {NAME} is RUNNING"]}


def test_another_end_is_a_contradiction(single: Records, folder: Path) -> None:
    single.executions[NAME] = ("FAILED", "USER:Unknown")

    assert "contradictory" in found(single, folder)


@pytest.mark.parametrize("phase", ["RUNNING", "FAILED", "QUEUED"])
def test_a_node_that_does_not_fit_its_execution_is_a_contradiction(single: Records, folder: Path, phase: str) -> None:
    single.nodes[NAME]["end-node"] = phase

    assert "contradictory" in found(single, folder)


def test_a_missing_node_is_a_contradiction(single: Records, folder: Path) -> None:
    del single.nodes[NAME]["end-node"]

    assert "contradictory" in found(single, folder)


def test_a_node_too_many_is_a_contradiction(single: Records, folder: Path) -> None:
    single.nodes[NAME]["n1"] = "SUCCEEDED"

    assert "contradictory" in found(single, folder)


@pytest.mark.parametrize(
    "phases",
    [
        {0: "RUNNING"},
        {0: "FAILED"},
        {1: "SUCCEEDED"},
        {0: "SUCCEEDED", 1: "FAILED"},
        {0: "SUCCEEDED", 1: "SUCCEEDED"},
    ],
)
def test_attempts_that_do_not_fit_their_node_are_a_contradiction(
    single: Records, folder: Path, phases: dict[int, str]
) -> None:
    single.attempts[NAME]["n0"] = phases

    assert "contradictory" in found(single, folder)


def test_a_failed_node_has_no_attempt_that_succeeded(tmp_path: Path) -> None:
    records = Records(executions={NAME: ("FAILED", "")})
    records.nodes[NAME] = {"start-node": "SUCCEEDED", "n0": "FAILED"}
    records.attempts[NAME]["n0"] = {0: "SUCCEEDED", 1: "FAILED"}
    for number in (0, 1):
        note(tmp_path, "start", attempt=f"{NAME}-n0-{number}")
    note(tmp_path, "end")

    assert "contradictory" in found(records, tmp_path, Run(NAME, EXHAUSTED))


def test_a_node_without_an_attempt_is_a_contradiction(single: Records, tmp_path: Path) -> None:
    del single.attempts[NAME]["n0"]

    assert "contradictory" in found(single, tmp_path)


def test_an_attempt_that_succeeded_and_did_nothing_is_a_contradiction(single: Records, tmp_path: Path) -> None:
    note(tmp_path, "start")

    assert "contradictory" in found(single, tmp_path)


def test_an_attempt_that_ran_and_is_not_recorded_is_a_contradiction(single: Records, folder: Path) -> None:
    note(folder, "start", attempt=f"{NAME}-n7-0")

    assert "contradictory" in found(single, folder)


def test_a_second_try_without_a_kill_is_a_repetition(single: Records, folder: Path) -> None:
    note(folder, "start", at=20.0, pid=1)

    assert list(found(single, folder, kills=(5.0, 25.0))) == ["repeated"]
    assert found(single, folder, kills=(15.0,)) == {}


def test_two_tries_at_once_are_a_repetition(single: Records, folder: Path) -> None:
    note(folder, "start", at=20.0, pid=1, running=[0])

    assert list(found(single, folder, kills=(15.0,))) == ["repeated"]


def test_an_end_without_a_start_is_a_repetition(single: Records, folder: Path) -> None:
    note(folder, "end", at=10.2)

    assert list(found(single, folder)) == ["repeated"]


def test_an_execution_that_no_run_launched_is_a_repetition(single: Records, folder: Path) -> None:
    single.executions["another"] = ("SUCCEEDED", "")

    assert list(found(single, folder)) == ["repeated"]


def test_a_call_that_was_refused_is_a_contradiction(single: Records, folder: Path) -> None:
    assert "contradictory" in found(single, folder, Run(NAME, SINGLE, trouble="INTERNAL: broken"))


@pytest.mark.parametrize(("children", "count"), [([], "lost"), (["a", "b"], "repeated")])
def test_a_parent_has_one_child(tmp_path: Path, children: list[str], count: str) -> None:
    records = Records(executions={NAME: ("SUCCEEDED", "")})
    records.nodes[NAME] = dict.fromkeys(("start-node", "n0", "n1", "end-node"), "SUCCEEDED")
    for child in children:
        records.executions[child] = ("SUCCEEDED", "")
    records.children[NAME] = children

    assert count in found(records, tmp_path, Run(NAME, PARENT))


def test_a_child_is_judged_as_its_own_kind(tmp_path: Path) -> None:
    records = Records(executions={NAME: ("SUCCEEDED", ""), "child": ("RUNNING", "")})
    records.nodes[NAME] = dict.fromkeys(("start-node", "n0", "n1", "end-node"), "SUCCEEDED")
    records.children[NAME] = ["child"]

    assert all("child" in what for what in found(records, tmp_path, Run(NAME, PARENT))["contradictory"])


@pytest.mark.parametrize(
    ("aborted", "late", "well"), [("racing", False, True), ("slow", True, True), ("slow", False, False)]
)
def test_an_abort_may_come_too_late(tmp_path: Path, aborted: str, late: bool, well: bool) -> None:
    tried = RACING if aborted == "racing" else dataclasses.replace(RACING, races=False)
    records = Records(executions={NAME: ("SUCCEEDED", "")})
    records.nodes[NAME] = dict.fromkeys(tried.nodes, "SUCCEEDED")
    for node in tried.tasks:
        records.attempts[NAME][node] = {0: "SUCCEEDED"}
        for event in ("start", "end"):
            note(tmp_path, event, attempt=f"{NAME}-{node}-0")

    assert (found(records, tmp_path, Run(NAME, tried, late=late)) == {}) == well


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={})
    yield process
    process.kill()
    process.wait()


def test_a_noted_process_that_runs_is_an_orphan_until_it_is_gone(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    # Its environment does not identify it, as with forks of the fork server.
    note(tmp_path, "start", pid=sleeper.pid, began=processes.began(sleeper.pid))

    assert judge.orphans(tmp_path, tmp_path / "home") == [sleeper.pid]
    sleeper.kill()
    sleeper.wait()
    assert judge.orphans(tmp_path, tmp_path / "home") == []


def test_another_process_with_the_number_of_a_noted_one_is_no_orphan(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    note(tmp_path, "start", pid=sleeper.pid, began="1")

    assert judge.orphans(tmp_path, tmp_path / "home") == []


def test_a_program_that_a_task_of_this_stack_started_is_an_orphan(tmp_path: Path) -> None:
    notes, home = tmp_path / "notes", tmp_path / "home"
    notes.mkdir()
    tag = {"FLYTETEMPORAL_ATTEMPT": "p/d/x-n0-0", "TMPDIR": str(home.joinpath("work", "run", "1", "tmp"))}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=tag, stdin=subprocess.PIPE) as process:
        assert judge.orphans(notes, home) == [process.pid]
        assert judge.orphans(notes, tmp_path / "another") == []
        process.kill()


@pytest.fixture
def mapped(tmp_path: Path) -> Records:
    """The records of a map task without a violation."""
    records = Records(executions={NAME: ("SUCCEEDED", "")})
    records.nodes[NAME] = dict.fromkeys(("start-node", "n0", "end-node"), "SUCCEEDED")
    records.attempts[NAME]["n0"] = {0: "SUCCEEDED"}
    for number in range(5):
        element = f"{NAME}-n0-0-n{number}-0"
        records.elements[NAME]["n0"][element] = "SUCCEEDED"
        note(tmp_path, "start", attempt=element)
        note(tmp_path, "end", attempt=element)
    return records


def test_correct_records_of_a_map_task_have_no_violation(mapped: Records, tmp_path: Path) -> None:
    assert found(mapped, tmp_path, Run(NAME, MAPPED)) == {}


@pytest.mark.parametrize("phase", ["RUNNING", "FAILED"])
def test_an_element_that_does_not_fit_its_node_is_a_contradiction(mapped: Records, tmp_path: Path, phase: str) -> None:
    mapped.elements[NAME]["n0"][f"{NAME}-n0-0-n3-0"] = phase

    assert "contradictory" in found(mapped, tmp_path, Run(NAME, MAPPED))


def test_an_element_that_ran_and_is_not_recorded_is_a_contradiction(mapped: Records, tmp_path: Path) -> None:
    del mapped.elements[NAME]["n0"][f"{NAME}-n0-0-n3-0"]

    assert "contradictory" in found(mapped, tmp_path, Run(NAME, MAPPED))


def test_an_element_that_succeeded_and_did_nothing_is_a_contradiction(mapped: Records, tmp_path: Path) -> None:
    mapped.elements[NAME]["n0"][f"{NAME}-n0-0-n9-0"] = "SUCCEEDED"

    assert "contradictory" in found(mapped, tmp_path, Run(NAME, MAPPED))


@pytest.fixture
def forked(tmp_path: Path) -> Records:
    """The records of a fork that reuses the first node of a chain, without a violation."""
    records = Records(executions={NAME: ("SUCCEEDED", "")})
    records.nodes[NAME] = {**dict.fromkeys(("start-node", "n1", "n2", "end-node"), "SUCCEEDED"), "n0": "RECOVERED"}
    records.attempts[NAME]["n2"] = {0: "SUCCEEDED"}
    for event in ("start", "end"):
        note(tmp_path, event, attempt=f"{NAME}-n2-0")
    return records


def test_correct_records_of_a_fork_have_no_violation(forked: Records, tmp_path: Path) -> None:
    assert found(forked, tmp_path, Run(NAME, FORKED)) == {}


def test_a_reused_node_that_ran_again_is_a_contradiction(forked: Records, tmp_path: Path) -> None:
    forked.attempts[NAME]["n0"] = {0: "SUCCEEDED"}

    assert "contradictory" in found(forked, tmp_path, Run(NAME, FORKED))


def test_a_node_that_was_to_run_again_and_was_reused_is_a_contradiction(forked: Records, tmp_path: Path) -> None:
    forked.nodes[NAME]["n1"] = "RECOVERED"

    assert "contradictory" in found(forked, tmp_path, Run(NAME, FORKED))
