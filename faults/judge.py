"""What is wrong in the end: with what is recorded, with what tasks did, with what is left running."""

import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.executions import Executions, Run
from faults.kinds import OK

TERMINAL = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", "SKIPPED", "RECOVERED"}
COUNTS = ("lost", "stuck", "contradictory", "repeated", "orphans", "open workflows")


@dataclass
class Verdict:
    """Violations by the name of their count."""

    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, count: str, what: str) -> None:
        """Note a violation."""
        self.found[count].append(what)

    def line(self) -> str:
        """Return the counts."""
        return ", ".join(f"{count} {len(self.found[count])}" for count in COUNTS)

    @property
    def clean(self) -> bool:
        """Nothing was wrong."""
        return not any(self.found.values())


async def judge(
    executions: Executions, runs: Sequence[Run], stuck: Iterable[str], folder: Path, kills: Sequence[float]
) -> Verdict:
    """Read what is recorded and noted, and compare it with what each kind asks for."""
    verdict = Verdict()
    for name in stuck:
        verdict.add("stuck", name)
    rows = {
        name: (phase, code)
        for name, phase, code in await executions.query("select execution_name, phase, error_code from executions")
    }
    for name in sorted(rows.keys() - {run.name for run in runs}):
        if rows[name][0] not in TERMINAL:
            verdict.add("contradictory", f"child {name} is {rows[name][0]} although every parent has ended")
    nodes = await _nodes(executions)
    attempts = await _attempts(executions)
    for run in runs:
        if run.name not in rows:
            verdict.add("lost", f"{run.name} ({run.kind.workflow}) is not recorded")
            continue
        _judge_phases(verdict, run, *rows[run.name], nodes.get(run.name, {}))
        _judge_attempts(verdict, run, nodes.get(run.name, {}), attempts.get(run.name, {}))
        _judge_notes(verdict, run, attempts.get(run.name, {}), _notes(folder / run.name), kills)
    return verdict


async def _nodes(executions: Executions) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, node, phase in await executions.query("select execution_name, node_id, phase from node_executions"):
        found[name][node] = phase
    return found


async def _attempts(executions: Executions) -> dict[str, dict[str, dict[int, str]]]:
    """Return phases by execution, node and attempt."""
    found: dict[str, dict[str, dict[int, str]]] = defaultdict(lambda: defaultdict(dict))
    statement = "select execution_name, node_id, retry_attempt, phase from task_executions"
    for name, node, attempt, phase in await executions.query(statement):
        found[name][node][attempt] = phase
    return found


def _judge_phases(verdict: Verdict, run: Run, phase: str, code: str | None, nodes: Mapping[str, str]) -> None:
    about = f"{run.name} ({run.kind.workflow})"
    expected = {OK, "ABORTED"} if run.kind.aborted and run.late else {run.kind.phase}
    if phase not in expected:
        verdict.add("contradictory", f"{about} ended {phase} {code or ''}, not {' or '.join(sorted(expected))}")
        return
    for node, node_phase in nodes.items():
        if node_phase not in TERMINAL:
            verdict.add("contradictory", f"{about} has ended, its node {node} is {node_phase}")
    if not run.kind.aborted and not _fits(nodes, run.kind.nodes):
        verdict.add("contradictory", f"{about} has nodes {dict(nodes)}, not {dict(run.kind.nodes)}")


def _fits(nodes: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return nodes.keys() == wanted.keys() and all(phase in wanted[node].split("|") for node, phase in nodes.items())


def _judge_attempts(
    verdict: Verdict, run: Run, nodes: Mapping[str, str], attempts: Mapping[str, Mapping[int, str]]
) -> None:
    about = f"{run.name} ({run.kind.workflow})"
    for node, phases in attempts.items():
        if sorted(phases) != list(range(len(phases))):
            verdict.add("contradictory", f"{about} has attempts {sorted(phases)} of node {node}")
        if any(phase not in TERMINAL for phase in phases.values()):
            verdict.add("contradictory", f"{about} has open attempts of node {node}: {dict(phases)}")
        succeeded = [attempt for attempt, phase in phases.items() if phase == OK]
        if (nodes.get(node) == OK) != (succeeded == [max(phases)]):
            verdict.add("contradictory", f"{about} has node {node} {nodes.get(node)} with attempts {dict(phases)}")
    for node in run.kind.tasks:
        if node in nodes and node not in attempts and not run.kind.aborted:
            verdict.add("contradictory", f"{about} has no attempt of node {node}")


def _judge_notes(
    verdict: Verdict,
    run: Run,
    attempts: Mapping[str, Mapping[int, str]],
    notes: Mapping[str, list[dict[str, Any]]],
    kills: Sequence[float],
) -> None:
    """A try follows another of the same attempt only when something was killed in between, and never beside it."""
    about = f"{run.name} ({run.kind.workflow})"
    for attempt, lines in notes.items():
        starts = [line for line in lines if line["event"] == "start"]
        for line in starts:
            if line["running"]:
                verdict.add("repeated", f"{about}: {attempt} was started beside itself")
        for first, second in itertools.pairwise(starts):
            if not any(first["at"] - 1 <= kill <= second["at"] for kill in kills):
                verdict.add("repeated", f"{about}: {attempt} was started twice for no reason")
    for node in run.kind.tasks:
        for number, phase in attempts.get(node, {}).items():
            ends = [line for line in notes.get(f"{run.name}-{node}-{number}", []) if line["event"] == "end"]
            if phase == OK and not ends:
                verdict.add("contradictory", f"{about}: attempt {number} of {node} succeeded and did nothing")


def _notes(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what the tasks of an execution noted, by the name of the attempt."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if path.exists():
        for line in path.read_text().splitlines():
            note = json.loads(line)
            found[note["attempt"].rpartition("/")[2]].append(note)
    return found


def orphans(store: str) -> list[int]:
    """Return task processes that still run and belong to the stack that has this store."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if b"FLYTETEMPORAL_ATTEMPT=" in content and store.encode() in content:
            found.append(int(path.parent.name))
    return found
