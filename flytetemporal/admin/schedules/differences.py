"""List where launch plans and their Temporal Schedules do not agree, for ``flytetemporal doctor``."""

from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.stored_messages import UnreadableRow
from flytetemporal.admin.base.temporal_schedules import Schedule
from flytetemporal.admin.schedules import reconciliation
from flytetemporal.contracts.v1 import upkeep_pb2
from flytetemporal.errors import InvalidRequest
from flytetemporal.idl import identifiers

Difference = upkeep_pb2.ScheduleDifference
# Each is confirmed by a call of Temporal.
MOST = 100


async def list_differences(
    deps: Dependencies, request: upkeep_pb2.ListScheduleDifferencesRequest
) -> upkeep_pb2.ListScheduleDifferencesResponse:
    """Compare all launch plans with all schedules both ways.

    Raises:
        Unavailable: Temporal does not answer.
    """
    found = await reconciliation.differing(deps)
    confirmed = [await _confirmed(deps, identifier) for identifier in found[:MOST]]
    return upkeep_pb2.ListScheduleDifferencesResponse(
        differences=[difference for difference in confirmed if difference is not None], more=len(found) > MOST
    )


async def _confirmed(deps: Dependencies, identifier: str) -> Difference | None:
    """Return the difference if it is still there: Temporal's list is late, and rows change."""
    project, domain, name = reconciliation.launch_plan_of(identifier)
    try:
        wanted = await reconciliation.wanted(deps, project, domain, name)
    except (InvalidRequest, UnreadableRow):
        wanted = None
    existing = await deps.schedules.digest(identifier)
    kind = _kind(wanted, existing)
    if kind == Difference.UNKNOWN:
        return None
    plan = identifiers.identifier(reconciliation.LAUNCH_PLAN, (project, domain, name, ""))
    if wanted is not None:
        plan = wanted.argument.launch_plan
    return Difference(kind=kind, launch_plan=plan, schedule_id=identifier, text=_text(kind, plan.version, name))


def _kind(wanted: Schedule | None, existing: str) -> Difference.Kind:
    if wanted is None:
        return Difference.UNWANTED if existing else Difference.UNKNOWN
    if not existing:
        return Difference.MISSING
    return Difference.UNKNOWN if existing == wanted.digest else Difference.DIFFERENT


def _text(kind: Difference.Kind, version: str, name: str) -> str:
    match kind:
        case Difference.MISSING:
            return f"launch plan {name} is active in version {version}, and Temporal has no schedule for it"
        case Difference.DIFFERENT:
            return f"the schedule of launch plan {name} in Temporal is not that of its active version {version}"
        case _:
            return f"Temporal has a schedule for launch plan {name}, which has no active version with one"
