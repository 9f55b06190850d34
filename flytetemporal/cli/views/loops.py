"""Loops of the control worker, as people read them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import upkeep_pb2
from flytetemporal.idl import times

LIST_LOOPS = "/flytetemporal.v1.OperationsService/ListLoops"
NONE = "no loop has run: start a control worker with `flytetemporal control-worker`"


def lines(found: upkeep_pb2.ListLoopsResponse) -> list[str]:
    """Return a table of the loops, then a line for each that failed or is late."""
    if not found.loops:
        return [NONE]
    rows = [
        (
            loop.name,
            moments.moment(loop.started_at if loop.is_running else loop.ended_at) or "never",
            "running" if loop.is_running else counts(loop.found),
            "now" if loop.is_running else _until(loop),
            _last(loop),
        )
        for loop in found.loops
    ]
    table = printing.table(("loop", "last ran", "found", "next", "last found anything"), rows)
    return [*table, *(problem for loop in found.loops if (problem := problem_of(loop)))]


def problem_of(loop: upkeep_pb2.LoopStatus) -> str:
    """Return why an operator should look at a loop, as one line; empty if there is no reason."""
    said = []
    if loop.is_overdue:
        what = f"has been running since {moments.moment(loop.started_at)}" if loop.is_running else "is overdue"
        due = "" if loop.is_running else f" since {moments.moment(loop.next_at)}"
        said.append(f"{what}{due}: look whether a control worker runs")
    if loop.error:
        rounds = "round" if loop.failed_rounds == 1 else f"{loop.failed_rounds} rounds"
        said.append(f"failed in its last {rounds}: {loop.error}")
    return printing.printable(f"loop {loop.name} {', and '.join(said)}") if said else ""


def counts(found: Mapping[str, int]) -> str:
    """Return counts by name as text."""
    return (
        ", ".join(f"{count} {_singular(name) if count == 1 else name}" for name, count in sorted(found.items()))
        or "nothing"
    )


def _singular(name: str) -> str:
    """Return the name of a count of one, of those that are nouns in the plural."""
    return f"{name[:-3]}y" if name.endswith("ies") else name.removesuffix("s")


def _until(loop: upkeep_pb2.LoopStatus) -> str:
    seconds = (times.moment(loop.next_at) - datetime.now(UTC)).total_seconds()
    return f"in {moments.seconds(max(0, round(seconds)))}" if seconds > 0 else "now"


def _last(loop: upkeep_pb2.LoopStatus) -> str:
    if not loop.HasField("last_found_at"):
        return ""
    return f"{moments.moment(loop.last_found_at)} {counts(loop.last_found)}"
