"""``flytetemporal replay``: walks an exported history with the engine of this version."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import click
from google.protobuf.message import DecodeError
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

from flytetemporal.cli import printing
from flytetemporal.cli.errors import CommandError
from flytetemporal.cli.views import export_file
from flytetemporal.contracts import histories, payloads
from flytetemporal.errors import FlyteError
from flytetemporal.idl import error_text
from flytetemporal.workflows.array import ArrayWorkflow
from flytetemporal.workflows.execution import ExecutionWorkflow

# Parts of the texts of Temporal's SDK: the message of a failure; what it says of the event that does not fit.
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_EVENT = re.compile(r"HistoryEvent\(id: (\d+)")
_ACTIVITY = re.compile(r"scheduled event '([^']*)'")


@dataclass(frozen=True, slots=True)
class Result:
    """How the walk through one run ended: ``problem`` is empty if this version does what the history says."""

    run: export_file.Run
    events: int
    problem: str = ""
    # Where it differs: the event and what it is about; empty if the problem names none.
    place: str = ""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@printing.option
def replay(file: Path, output: str) -> None:
    """Walk the history in FILE with this version's engine, and say where it would differ. Nothing is executed."""
    export = export_file.read(file)
    results = asyncio.run(_replay_all(export.runs))
    document = {"manifest": dict(export.manifest), "runs": [_document(result) for result in results]}
    printing.show(output, document, lambda: _lines(export, results))
    different = sum(bool(result.problem) for result in results)
    if different or not results:
        raise CommandError(f"{different} of {len(results)} runs differ" if results else f"{file} has no history")


async def _replay_all(runs: list[export_file.Run]) -> list[Result]:
    replayer = Replayer(
        workflows=[ExecutionWorkflow, ArrayWorkflow],
        data_converter=payloads.DATA_CONVERTER,
        workflow_runner=UnsandboxedWorkflowRunner(),
        # Without it, a workflow task of a large graph can take longer than the SDK allows.
        debug_mode=True,
        # The SDK's own log would be between the lines of the answer.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )
    return [await _replay(replayer, run) for run in runs]


async def _replay(replayer: Replayer, run: export_file.Run) -> Result:
    try:
        history = History.FromString(run.history)
        histories.check(history)
    except (DecodeError, FlyteError) as e:
        raise CommandError(f"the history of run {run.run_id} is damaged: {e}") from e
    if not history.events:
        raise CommandError(f"the history of run {run.run_id} is empty")
    replayed = await replayer.replay_workflow(
        WorkflowHistory(run.workflow_id, list(history.events)), raise_on_replay_failure=False
    )
    problem = replayed.replay_failure
    if problem is None:
        return Result(run, len(history.events))
    text = str(problem)
    inner = _MESSAGE.search(text)
    headline = error_text.headline(inner[1] if inner else text) or type(problem).__name__
    return Result(run, len(history.events), headline, _place(text, history))


def _place(text: str, history: History) -> str:
    event, activity = _EVENT.search(text), _ACTIVITY.search(text)
    for found in history.events:
        scheduled = found.activity_task_scheduled_event_attributes.activity_id
        if (event and found.event_id == int(event[1])) or (activity and scheduled == activity[1]):
            return f"event {found.event_id}, {_subject(found, history)}"
    return ""


def _subject(event: HistoryEvent, history: History) -> str:
    """Return the type of an event and the activity that it is about, whose id has the node and its attempt."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    attributes = event.WhichOneof("attributes")
    scheduled = getattr(getattr(event, attributes), "scheduled_event_id", event.event_id) if attributes else 0
    by_id = {other.event_id: other.activity_task_scheduled_event_attributes for other in history.events}
    activity = by_id.get(scheduled)
    if activity is None or not activity.activity_id:
        return name
    return f"{name} of {activity.activity_type.name} {activity.activity_id}"


def _document(result: Result) -> dict[str, object]:
    return {
        "workflowId": result.run.workflow_id,
        "runId": result.run.run_id,
        "events": result.events,
        "differs": bool(result.problem),
        "place": result.place,
        "problem": result.problem,
    }


def _lines(export: export_file.Export, results: list[Result]) -> list[str]:
    manifest = export.manifest
    lines = printing.fields(
        [
            ("execution", str(manifest.get("execution", ""))),
            ("exported", str(manifest.get("exported_at", ""))),
            ("by version", str(manifest.get("server_version", ""))),
            ("values", "included" if manifest.get("with_values") else "left out"),
        ]
    )
    rows = [
        (result.run.run_id, str(result.events), "differs" if result.problem else "same", result.place)
        for result in results
    ]
    lines += ["", *printing.table(("run", "events", "replay", "at"), rows)]
    lines += [f"{result.run.run_id}: {printing.printable(result.problem)}" for result in results if result.problem]
    lines += [f"left out: {printing.printable(str(reason))}" for reason in manifest.get("left_out") or ()]
    if any(result.problem for result in results) and not manifest.get("with_values"):
        lines.append("values were left out: a branch inside a dynamic node can differ for that alone")
    return lines
