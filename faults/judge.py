"""Judge a run of the suite: the records, the notes of its tasks, and the processes left running."""

import dataclasses
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flyteidl.admin import node_execution_pb2, task_execution_pb2
from flyteidl.core.execution_pb2 import TaskExecution as TaskPhase

from faults import processes
from faults.executions import Executions, Run
from faults.kinds import OK, child_kind
from flytetemporal.idl import naming

TERMINAL = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", "SKIPPED", "RECOVERED"}
COUNTS = ("lost", "stuck", "contradictory", "repeated", "orphans", "open workflows")
Note = dict[str, Any]
PAUSE_SLACK = 3.0


@dataclass
class Verdict:
    """Violations by the name of their count."""

    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, count: str, what: str) -> None:
        """Note a violation."""
        self.found[count].append(what)

    def line(self) -> str:
        """Return the counts as one line."""
        return ", ".join(f"{count} {len(self.found[count])}" for count in COUNTS)

    @property
    def clean(self) -> bool:
        """Whether there are no violations."""
        return not any(self.found.values())


@dataclass
class Records:
    """The records in the database, by execution: phase and error code, nodes, attempts by node, children.

    ``failures`` counts the failed attempts of all executions by their code.
    """

    executions: dict[str, tuple[str, str]] = field(default_factory=dict)
    nodes: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    attempts: dict[str, dict[str, dict[int, str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    # By execution and node: the phase of each element's attempt by the name of the attempt.
    elements: dict[str, dict[str, dict[str, str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    # By execution and node: when it was QUEUED, in epoch seconds.
    queued: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    failures: Counter[str] = field(default_factory=Counter)


async def read(executions: Executions) -> Records:
    """Read all records of the suite."""
    records = Records()
    for name, phase, code in await executions.query("select execution_name, phase, error_code from executions"):
        records.executions[name] = (phase, code or "")
    for name, node, phase in await executions.query("select execution_name, node_id, phase from node_executions"):
        records.nodes[name][node] = phase
    for name, node, closure in await executions.query("select execution_name, node_id, closure from node_executions"):
        created = node_execution_pb2.NodeExecutionClosure.FromString(closure).created_at
        records.queued[name][node] = created.seconds + created.nanos / 1e9
    statement = "select execution_name, node_id, retry_attempt, phase from task_executions"
    for name, node, attempt, phase in await executions.query(statement):
        records.attempts[name][node][attempt] = phase
    statement = "select execution_name, node_id, closure from task_executions"
    for name, node, closure in await executions.query(statement):
        attempt_closure = task_execution_pb2.TaskExecutionClosure.FromString(closure)
        if attempt_closure.HasField("error"):
            records.failures[attempt_closure.error.code] += 1
        for element in attempt_closure.metadata.external_resources:
            records.elements[name][node][element.external_id] = TaskPhase.Phase.Name(element.phase)
    statement = (
        "select p.execution_name, c.execution_name from executions c "
        "join node_executions p on p.id = c.parent_node_execution_id"
    )
    for parent, child in await executions.query(statement):
        records.children[parent].append(child)
    return records


def judge(records: Records, runs: Sequence[Run], stuck: Iterable[str], folder: Path, kills: Sequence[float]) -> Verdict:
    """Compare records and notes with what the kind of each run requires."""
    verdict = Verdict()
    by_name = {run.name: run for run in runs}
    for name in stuck:
        waited = by_name[name].waits or f"{name} is {records.executions.get(name, ('not recorded', ''))[0]}"
        verdict.add("stuck", f"{_about(by_name[name])}: {waited}")
    open_ones, family = set(stuck), list(_with_children(verdict, records, runs))
    for run in family:
        if run.trouble:
            verdict.add("contradictory", f"{_about(run)}: {run.trouble}")
        if run.name not in records.executions:
            verdict.add("lost", f"{_about(run)} is not recorded")
        elif run.name not in open_ones:
            _judge_phases(verdict, run, *records.executions[run.name], records.nodes[run.name])
            _judge_pause(verdict, run, records.queued[run.name])
            _judge_attempts(verdict, run, records.nodes[run.name], records.attempts[run.name])
            _judge_elements(verdict, run, records.nodes[run.name], records.elements[run.name])
            _judge_notes(verdict, run, records, notes(folder / run.name), kills)
    for name in sorted(records.executions.keys() - {run.name for run in family}):
        verdict.add("repeated", f"execution {name} was launched by none of the runs")
    return verdict


def _with_children(verdict: Verdict, records: Records, runs: Sequence[Run]) -> Iterator[Run]:
    """Yield the runs and their child executions."""
    for run in runs:
        kind = run.kind.after(max(records.attempts[run.name].get(run.kind.dynamic, {0: ""})))
        yield dataclasses.replace(run, kind=kind)
        children = sorted(records.children[run.name])
        for child in children:
            yield Run(child, child_kind(run.kind))
        wanted = run.kind.children if run.kind.child else 0
        if len(children) > wanted:
            verdict.add("repeated", f"{_about(run)} launched {children}")
        if len(children) < wanted and run.name in records.executions:
            verdict.add("lost", f"{_about(run)} has {len(children)} of {wanted} children recorded")


def _about(run: Run) -> str:
    return f"{run.name} ({run.kind.workflow})"


def _judge_phases(verdict: Verdict, run: Run, phase: str, code: str, nodes: Mapping[str, str]) -> None:
    about = _about(run)
    over = run.kind.aborted and (run.late or run.kind.races)
    expected = {run.kind.phase, OK} if over else {run.kind.phase}
    if phase not in expected:
        verdict.add("contradictory", f"{about} ended {phase} {code}, not {' or '.join(sorted(expected))}")
    for node, node_phase in nodes.items():
        if node_phase not in TERMINAL:
            verdict.add("contradictory", f"{about} has ended, its node {node} is {node_phase}")
    wanted = run.kind.nodes
    if run.kind.aborted and phase != OK:
        if not nodes.keys() <= wanted.keys():
            verdict.add("contradictory", f"{about} has nodes {dict(nodes)}, of {sorted(wanted)}")
    elif not _fits(nodes, wanted):
        verdict.add("contradictory", f"{about} has nodes {dict(nodes)}, not {dict(wanted)}")


def _fits(nodes: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return nodes.keys() == wanted.keys() and all(phase in wanted[node].split("|") for node, phase in nodes.items())


def _judge_pause(verdict: Verdict, run: Run, queued: Mapping[str, float]) -> None:
    """Find nodes that started while the run was paused. A workflow task that ran when the pause came may end late."""
    for node, moment in queued.items():
        if run.paused_from + PAUSE_SLACK < moment < run.paused_until:
            verdict.add("contradictory", f"{_about(run)} started node {node} {moment - run.paused_from:.1f} s paused")


def _judge_attempts(
    verdict: Verdict, run: Run, nodes: Mapping[str, str], attempts: Mapping[str, Mapping[int, str]]
) -> None:
    about = _about(run)
    for node, phases in attempts.items():
        if sorted(phases) != list(range(len(phases))):
            verdict.add("contradictory", f"{about} has attempts {sorted(phases)} of node {node}")
        if any(phase not in TERMINAL for phase in phases.values()):
            verdict.add("contradictory", f"{about} has open attempts of node {node}: {dict(phases)}")
        # A node that was skipped by hand has succeeded without an attempt that has.
        if node != run.kind.held and not _agree(nodes.get(node, ""), phases):
            verdict.add("contradictory", f"{about} has node {node} {nodes.get(node)} with attempts {dict(phases)}")
    for node in run.kind.tasks:
        if nodes.get(node) in (OK, "FAILED") and node not in attempts:
            verdict.add("contradictory", f"{about} has no attempt of node {node}")


def _agree(node_phase: str, phases: Mapping[int, str]) -> bool:
    """Whether the attempts fit their node: only the last one can have succeeded, and has if the node has.

    An abort can reach a node after its attempt has succeeded and before the node has: such a node is ABORTED.
    """
    succeeded = [attempt for attempt, phase in phases.items() if phase == OK]
    if node_phase == OK or (node_phase == "ABORTED" and succeeded):
        return succeeded == [max(phases)]
    return not succeeded


def _judge_elements(
    verdict: Verdict, run: Run, nodes: Mapping[str, str], elements: Mapping[str, Mapping[str, str]]
) -> None:
    for node, succeed in run.kind.elements.items():
        phases = elements.get(node, {})
        if nodes.get(node) in TERMINAL and any(phase not in TERMINAL for phase in phases.values()):
            verdict.add("contradictory", f"{_about(run)} has open elements of node {node}: {dict(phases)}")
        found = list(phases.values()).count(OK)
        if nodes.get(node) == OK and found != succeed:
            verdict.add(
                "contradictory", f"{_about(run)} has {found} elements of node {node} that succeeded: {dict(phases)}"
            )


def _recorded(run: Run, records: Records) -> dict[str, str]:
    """Return the phase of each attempt, elements of map tasks included, by the name of the attempt."""
    attempts = {
        naming.generated_name(run.name, node, number): phase
        for node, phases in records.attempts[run.name].items()
        for number, phase in phases.items()
    }
    for elements in records.elements[run.name].values():
        attempts.update(elements)
    return attempts


def _leaving_notes(run: Run, records: Records) -> set[str]:
    """Return the names of the attempts whose tasks write notes."""
    attempts, elements = records.attempts[run.name], records.elements[run.name]
    tasks = {naming.generated_name(run.name, node, n) for node in run.kind.tasks for n in attempts.get(node, ())}
    return tasks.union(*(elements.get(node, ()) for node in run.kind.elements))


def _judge_notes(
    verdict: Verdict, run: Run, records: Records, noted: Mapping[str, list[Note]], kills: Sequence[float]
) -> None:
    recorded = _recorded(run, records)
    for attempt, lines in noted.items():
        _judge_tries(verdict, f"{_about(run)}: {attempt}", lines, kills)
        if attempt not in recorded:
            verdict.add("contradictory", f"{_about(run)}: {attempt} ran and is not recorded")
    for attempt in sorted(_leaving_notes(run, records)):
        if recorded[attempt] == OK and not any(line["event"] == "end" for line in noted.get(attempt, [])):
            verdict.add("contradictory", f"{_about(run)}: {attempt} succeeded and did nothing")


def _judge_tries(verdict: Verdict, about: str, lines: Sequence[Note], kills: Sequence[float]) -> None:
    """Check that an attempt ran again only after a kill, and never while an earlier try of it was alive."""
    starts = [line for line in lines if line["event"] == "start"]
    for line in starts:
        if line["running"]:
            verdict.add("repeated", f"{about} was started while an earlier try was running")
    for first, second in itertools.pairwise(starts):
        if not any(first["at"] - 1 <= kill <= second["at"] for kill in kills):
            verdict.add("repeated", f"{about} was started again without a kill in between")
    ends = [line["pid"] for line in lines if line["event"] == "end"]
    if len(ends) > len(set(ends)) or not set(ends) <= {line["pid"] for line in starts}:
        verdict.add("repeated", f"{about} ended more often than it started")


def notes(path: Path) -> dict[str, list[Note]]:
    """Return the notes of an execution's tasks by the name of the attempt."""
    found: dict[str, list[Note]] = defaultdict(list)
    if path.exists():
        for line in path.read_text().splitlines():
            note = json.loads(line)
            found[note["attempt"].rpartition("/")[2]].append(note)
    return found


def done_twice(folder: Path) -> int:
    """Return how many attempts did all their work twice.

    That is no violation: an activity whose worker dies after the work and before the report must run again.
    """
    every = (lines for path in folder.iterdir() for lines in notes(path).values())
    return sum(len([line for line in lines if line["event"] == "end"]) > 1 for lines in every)


def orphans(folder: Path, home: Path) -> list[int]:
    """Return the ids of processes of tasks, and of their child processes, that still run."""
    lines = [line for path in folder.iterdir() for tries in notes(path).values() for line in tries]
    noted = [(line["pid"], line["began"]) for line in lines]
    return sorted({*processes.alive(noted), *processes.tagged(home)})
