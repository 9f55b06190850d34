"""Pauses, as people read them."""

from flytetemporal.cli import printing
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import pauses_pb2

Target = pauses_pb2.PauseTarget


def named(target: Target) -> str:
    """Return what a pause is of."""
    match target.kind:
        case Target.PROJECT:
            return f"project {target.project}" + (f", domain {target.domain}" if target.domain else "")
        case Target.LAUNCH_PLAN:
            return f"launch plan {target.name}"
        case Target.SCHEDULE:
            return f"the schedule of launch plan {target.name}"
        case Target.NODE:
            return f"node {target.node_id} of execution {target.name}"
        case _:
            return f"execution {target.name}"


def lines(answer: pauses_pb2.ListPausesResponse) -> list[str]:
    """Return a table of pauses."""
    if not answer.pauses:
        return ["nothing is paused"]
    rows = [
        (
            named(pause.target),
            pause.paused_by,
            moments.moment(pause.since),
            "stopped" if pause.stop_running else "finish",
            pause.reason,
        )
        for pause in answer.pauses
    ]
    more = ["there are more: list more of them with --limit"] if answer.token else []
    return [*printing.table(("paused", "by", "since", "running attempts", "reason"), rows), *more]
