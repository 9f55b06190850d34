"""Policies of retention, and what was removed, as people read them."""

from flytetemporal.cli import printing
from flytetemporal.cli.views import durations, loops, moments
from flytetemporal.contracts.v1 import retention_pb2

_KEPT = {
    "recently_ended": "ended just now",
    "owes_notifications": "have notifications that wait for their delivery",
    "recovered_or_forked": "were recovered or forked, and the newer executions use their outputs",
    "values_in_use": "have values that are inputs of other executions",
    "running": "have launched executions that run",
    "child": "belong to another execution",
}


def limits(policy: retention_pb2.RetentionPolicy) -> str:
    """Return the limits of a policy as text."""
    said = []
    if policy.HasField("max_age"):
        said.append(f"{durations.text(policy.max_age.ToTimedelta())} after their end")
    if policy.max_count:
        said.append(f"the newest {policy.max_count}")
    return " and ".join(said) or "all"


def policies(found: retention_pb2.GetRetentionResponse) -> list[str]:
    """Return a table of the policies."""
    if not found.policies:
        return ["no policies: all executions are kept"]
    rows = [(one.domain, limits(one), one.updated_by, moments.moment(one.updated_at)) for one in found.policies]
    return printing.table(("domain", "kept", "set by", "set at"), rows)


def counted(found: retention_pb2.RunRetentionResponse, *, dry_run: bool) -> list[str]:
    """Return what is removed, and how many executions are kept, and why."""
    verb = "would be removed" if dry_run else "removed"
    return [
        f"{executions(found)} {verb}",
        *(f"{count} kept: they {_KEPT.get(why, why)}" for why, count in sorted(found.kept.items())),
    ]


def executions(found: retention_pb2.RunRetentionResponse | retention_pb2.DeleteExecutionResponse) -> str:
    """Return how many executions are removed, and what with them."""
    nodes, tasks = printing.number(found.nodes, "node"), printing.number(found.tasks, "task")
    return f"{printing.number(found.executions, 'execution')} with {nodes} and {tasks}"


def project(found: retention_pb2.DeleteProjectResponse) -> list[str]:
    """Return what a project contains, a line each."""
    running = f" ({found.running} not ended)" if found.running else ""
    versions = (
        printing.number(found.workflows, "workflow version"),
        printing.number(found.launch_plans, "launch plan version"),
        printing.number(found.tasks, "task version"),
    )
    return [
        printing.number(found.executions, "execution") + running,
        ", ".join(versions),
        printing.number(found.artifacts, "artifact"),
        *(
            printing.number(count, noun)
            for count, noun in (
                (found.schedules, "active schedule"),
                (found.triggers, "active trigger"),
                (found.backfills, "open backfill"),
            )
            if count
        ),
    ]


def lines(found: retention_pb2.ListRemovalsResponse) -> list[str]:
    """Return a table of what was removed."""
    rows = [
        (
            one.kind,
            ":".join(part for part in (one.domain, one.name, one.version) if part),
            one.removed_by,
            one.reason,
            moments.moment(one.started_at),
            moments.moment(one.finished_at) or "not finished",
            loops.counts(one.counts) if one.counts else "",
        )
        for one in found.removals
    ]
    more = ["there are more: use --limit"] if found.token else []
    return [*printing.table(("kind", "name", "by", "reason", "started", "finished", "with"), rows), *more]
