"""Backfills, as people read them."""

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import backfills_pb2


def progress(counts: backfills_pb2.BackfillCounts) -> str:
    """Return the counts in a line."""
    launched = counts.running + counts.succeeded + counts.failed
    rest = [(counts.skipped, "skipped"), (counts.cancelled, "cancelled")]
    return ", ".join(
        [
            f"{launched} of {counts.total} launched",
            f"{counts.running} running",
            f"{counts.succeeded} succeeded",
            f"{counts.failed} failed",
            *(f"{number} {state}" for number, state in rest if number),
        ]
    )


def planned(answer: backfills_pb2.StartBackfillResponse) -> str:
    """Return what a backfill would launch."""
    counts, plan = answer.backfill.counts, answer.backfill.launch_plan
    which = f"of launch plan {plan.name}, version {plan.version}"
    if not counts.total:
        return f"no times {which}, are in this range"
    if answer.is_more:
        return f"more than {counts.total} times {which}, from {moments.moment(answer.first)} UTC on"
    first, last = moments.moment(answer.first), moments.moment(answer.last)
    return f"{printing.number(counts.total, 'time')} {which}, from {first} to {last} UTC"


def started(answer: backfills_pb2.StartBackfillResponse) -> list[str]:
    """Return what a call has started."""
    name = answer.backfill.id.name
    done = f"backfill {name} is started" if answer.was_started else f"backfill {name} was started before"
    return [f"{done}: {planned(answer)}", f"see: flytetemporal backfill get {name}"]


def state(backfill: backfills_pb2.Backfill) -> str:
    """Return the name of the state."""
    return backfills_pb2.Backfill.State.Name(backfill.state)


def table(answer: backfills_pb2.ListBackfillsResponse) -> list[str]:
    """Return a table of backfills."""
    if not answer.backfills:
        return ["no backfills"]
    rows = [
        (
            found.id.name,
            found.launch_plan.name,
            state(found),
            moments.moment(found.start),
            moments.moment(found.end),
            progress(found.counts),
        )
        for found in answer.backfills
    ]
    more = ["there are more: list more of them with --limit"] if answer.token else []
    return [*printing.table(("backfill", "launch plan", "state", "from", "to", "progress"), rows), *more]


def fields(found: backfills_pb2.Backfill) -> list[str]:
    """Return what is known of a backfill."""
    plan = found.launch_plan
    order = "newest first" if found.newest_first else "oldest first"
    return printing.fields(
        [
            ("backfill", found.id.name),
            ("launch plan", f"{plan.project}:{plan.domain}:{plan.name}:{plan.version}"),
            ("times", f"{moments.moment(found.start)} to {moments.moment(found.end)} UTC, {order}"),
            ("parallel", str(found.parallel)),
            ("only", "those that did not succeed" if found.failed_only else ""),
            ("state", state(found)),
            ("progress", progress(found.counts)),
            ("waits", found.waits_for),
            (
                "started",
                f"{moments.moment(found.created_at)}" + (f" by {found.started_by}" if found.started_by else ""),
            ),
            ("reason", found.reason),
            ("ended", moments.moment(found.ended_at)),
        ]
    )


def runs(answer: backfills_pb2.ListBackfillRunsResponse) -> list[str]:
    """Return a table of times; empty if there are none."""
    if not answer.runs:
        return []
    rows = [
        (
            moments.moment(run.scheduled_at),
            backfills_pb2.BackfillRun.State.Name(run.state),
            run.execution,
            run.problem,
        )
        for run in answer.runs
    ]
    more = ["there are more: list more of them with `flytetemporal backfill runs --limit`"] if answer.token else []
    return ["", *printing.table(("time", "state", "execution", "problem"), rows), *more]
