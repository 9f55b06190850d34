"""What clients see of runs on our server, compared line by line with what they saw on Flyte v1.16.8.

``record.py`` registers ``cases`` with stock pyflyte, runs them and writes what clients can read; the same program wrote
the records of Flyte. Intended differences are listed in ``DIFFERENCES`` and in docs/compatibility.md.
"""

import difflib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.stack import RunningStack

HERE = Path(__file__).parent
RECORDS = HERE / "flyte-v1.16.8"

# Cases with a record of Flyte, and with node kinds that the engine runs.
COMPARED = (
    "approved", "branch", "branch_fail", "branch_large", "branch_taken", "cached_first", "chained", "collections",
    "deck", "diamond", "child_failing", "dynamic_constant", "dynamic_fan", "dynamic_raises", "dynamic_subworkflow",
    "eager", "echoes", "fail_fast", "failing", "failure_node", "files", "fixed_launch_plan", "frames", "gate_timed_out",
    "given", "hello", "interruptible", "launch_plans", "map_in_dynamic", "mapped", "mapped_cached",
    "mapped_cached_second", "mapped_empty", "mapped_fails",
    "mapped_partial", "named_outputs", "not_retried", "overridden", "process_dies",
    "recovered",
    "rejected", "retried", "scalars", "single_task", "sleeping", "subworkflows", "timed_out", "unused_and_constant",
)  # fmt: skip
# Cases that are not compared, most of them without a record, with the phase in which they must end.
PHASES = {
    "attribute_paths": "SUCCEEDED",
    "cached_second": "SUCCEEDED",
    "dynamic_nested": "SUCCEEDED",
    "mapped_some_fail": "SUCCEEDED",
    "dynamic_failing": "FAILED",
    "collection_binding": "SUCCEEDED",
    "branch_nested": "SUCCEEDED",
    "branch_to_subworkflow": "SUCCEEDED",
    "sub_failing": "FAILED",
    "retries_exhausted": "FAILED",
    "fail_late": "FAILED",
    "aborted": "ABORTED",
    "relaunched": "SUCCEEDED",
    # Not compared: whether its first node succeeds before the second one fails, and so is recovered, is a race.
    "recovered_dynamic": "FAILED",
}
TIMEOUT_SECONDS = 400


@dataclass(frozen=True)
class Difference:
    """Accepted lines of a diff; ``reason`` is that of docs/compatibility.md."""

    lines: str
    reason: str
    cases: tuple[str, ...] = ()


DIFFERENCES = (
    Difference(
        lines=r'-\s*"message": "Traceback \.\.\. \(cut\)",?|\+\s*"message": "(\[\d\]: )?ValueError: .*",?',
        reason="our messages start with the exception and the user's frames, because lists show only the start",
    ),
    Difference(
        lines=r'-"INTERNAL"|\+("\w+"\]*,? ?)?',
        reason="Flyte answers INTERNAL for metrics of failure nodes and of subworkflows in dynamic nodes",
        cases=("failure_node", "dynamic_subworkflow"),
    ),
    Difference(
        lines=r'.\s*"message": ".*terminated with exit code \(3\)\. Reason \[Error\]\. Message: .*"',
        reason="the last output of a dying pod differs from that of a dying process",
        cases=("process_dies",),
    ),
    Difference(
        lines=r'.\s*"phase": "(ABORTED|FAILED|SUCCEEDED)"|.\s*"message": "Traceback \.\.\. ValueError: [35] is odd"',
        reason="which elements of a map fail before the others are stopped is random",
        cases=("mapped_fails",),
    ),
    Difference(
        lines=r'.\s*"artifactId": "[0-9a-f-]{36}",?',
        reason="the ids of artifacts are random in Flyte",
        cases=("cached_first",),
    ),
    Difference(
        lines=r'.\s*"(inputUri|outputUri|dynamicJobSpecUri)": "<store>/metadata/propeller/[^"]+",?',
        reason="a recovery refers to the files of the execution that it recovers; Flyte copies them",
        cases=("recovered",),
    ),
    Difference(
        lines=r'."(NODE|TASK)_TEARDOWN"\]+,? ?',
        reason="our attempt is stopped before its node ends, so the node has a teardown",
        cases=("timed_out",),
    ),
)


@pytest.fixture(scope="session")
def recorded(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("recorded")
    command = [sys.executable, str(HERE / "record.py"), str(stack.client_config), str(out), "--store", stack.store]
    finished = subprocess.run(
        [*command, "--parallel", "4", "--only", *COMPARED, *PHASES],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    (out / "record.log").write_text(finished.stdout + finished.stderr)
    assert finished.returncode == 0, finished.stderr[-3000:]
    return out


def read(folder: Path, case: str) -> dict[str, Any]:
    path = folder / f"{case}.json"
    if not path.exists():
        pytest.fail(f"{case} was not recorded:\n{(folder / 'record.log').read_text()[-3000:]}")
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def lines(document: dict[str, Any]) -> list[str]:
    metrics = document.pop("metrics", None)
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).splitlines()
    # The order inside metrics depends on timing and differs between runs of the same server.
    return [*text, *sorted(json.dumps(metrics).replace("[", "\n").splitlines())]


def is_accepted(line: str, case: str) -> bool:
    return any(
        re.fullmatch(difference.lines, line) and (not difference.cases or case in difference.cases)
        for difference in DIFFERENCES
    )


@pytest.mark.timeout(TIMEOUT_SECONDS + 60)
@pytest.mark.parametrize("case", COMPARED)
def test_clients_see_the_same_as_with_flyte(recorded: Path, case: str) -> None:
    theirs, ours = lines(read(RECORDS, case)), lines(read(recorded, case))

    diff = list(difflib.unified_diff(theirs, ours, "flyte", "ours", lineterm="", n=2))
    changed = [line for line in diff[2:] if line[:1] in "+-"]

    assert [line for line in changed if not is_accepted(line, case)] == [], "\n".join(diff)


@pytest.mark.timeout(TIMEOUT_SECONDS + 60)
@pytest.mark.parametrize(("case", "phase"), PHASES.items())
def test_cases_without_a_record_end_in_the_expected_phase(recorded: Path, case: str, phase: str) -> None:
    assert read(recorded, case)["execution"]["closure"]["phase"] == phase
