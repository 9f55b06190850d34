"""The schedules of launch plans, as people read them."""

from flyteidl.core import execution_pb2

from flytetemporal.cli import printing
from flytetemporal.cli.admin_calls import Admin
from flytetemporal.cli.views import moments
from flytetemporal.contracts.v1 import schedules_pb2

LIST_SCHEDULES = "/flytetemporal.v1.OperationsService/ListSchedules"
PAGE = 100
_PHASES = execution_pb2.WorkflowExecution.Phase
_TITLES = ("launch plan", "version", "schedule", "time zone", "next", "paused", "last execution", "phase")


def read(admin: Admin, name: str, limit: int) -> schedules_pb2.ListSchedulesResponse:
    """Return the first ``limit`` schedules of the project and domain; the token is empty if there are no more."""
    found = schedules_pb2.ListSchedulesResponse()
    request = schedules_pb2.ListSchedulesRequest(project=admin.project, domain=admin.domain, name=name)
    while len(found.schedules) < limit:
        request.limit = min(PAGE, limit - len(found.schedules))
        page = admin.call(LIST_SCHEDULES, request, schedules_pb2.ListSchedulesResponse)
        found.schedules.extend(page.schedules)
        found.token = request.token = page.token
        if not page.token:
            break
    if not found.schedules:
        admin.check_project()
    return found


def lines(found: schedules_pb2.ListSchedulesResponse) -> list[str]:
    """Return a table of schedules."""
    if not found.schedules:
        return ["no active launch plan has a schedule"]
    return printing.table(_TITLES, [_row(state) for state in found.schedules])


def _row(state: schedules_pb2.ScheduleState) -> tuple[str, ...]:
    last = state.last_execution
    pause = f"by {state.pause.paused_by}: {state.pause.reason}" if state.HasField("pause") else ""
    # At the times of a schedule that is paused nothing is launched.
    following = moments.moment(state.next_times[0]) if state.next_times and not pause else state.problem
    return (
        state.launch_plan.name,
        state.launch_plan.version,
        state.expression,
        state.time_zone,
        following,
        pause,
        last.id.name,
        _PHASES.Name(last.phase) if last.id.name else "",
    )
