"""Launch the executions of schedules.

Name and contents mirror flyteadmin's scheduler/executor/executor_impl.go and scheduler/identifier/identifier.go. In
Flyte, a schedule with a fixed rate does not set the kickoff input, so that its executions fail; here it does.
"""

from collections.abc import Callable
from typing import Any

import structlog
from flyteidl.admin import execution_pb2, launch_plan_pb2, project_pb2
from flyteidl.core import identifier_pb2
from temporalio import activity  # Temporal finds an activity by this decorator; all calls go through base/engine.

from flytetemporal.admin.base import execution_lookup, stored_messages
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import LaunchPlanRow
from flytetemporal.admin.executions import launching
from flytetemporal.admin.registry import entity_rows
from flytetemporal.admin.schedules import pausing
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.errors import AlreadyExists, InvalidRequest, QuotaExceeded
from flytetemporal.idl import identifiers, naming

Mode = execution_pb2.ExecutionMetadata

_log = structlog.get_logger(__name__)


class ScheduledLaunchActivities:
    """The implementation of the activity ``launch_scheduled`` of ``contracts/activities``."""

    def __init__(self, deps: Dependencies) -> None:
        self._deps = deps

    def all(self) -> list[Callable[..., Any]]:
        """Return the activities, for the worker."""
        return [self.launch_scheduled]

    @activity.defn
    async def launch_scheduled(self, launch: control_pb2.ScheduledLaunch) -> control_pb2.ScheduledLaunchResult:
        """Launch the execution of one time of a schedule; a repeated call changes nothing."""
        deps, plan = self._deps, launch.launch_plan
        async with deps.sessions.begin() as session:
            row = await entity_rows.find(session, LaunchPlanRow, plan)
            if row is None or row.state != launch_plan_pb2.ACTIVE:
                return _skipped(launch, "this version of the launch plan is not active")
            spec = stored_messages.parse(launch_plan_pb2.LaunchPlanSpec, row.spec)
            request = create_request(launch, spec.entity_metadata.schedule.kickoff_time_input_arg)
            execution_id = identifiers.execution_identifier((plan.project, plan.domain, request.name))
            # Its failure may have been recorded by a call that died before it paused the schedule.
            await pausing.after_failure(session, row)
            pause = await pausing.in_force(session, plan.project, plan.domain, plan.name)
            is_launched = await execution_lookup.find_execution(session, execution_id) is not None
            if pause is not None and not is_launched:
                return _skipped(launch, pausing.text(pause))
        try:
            await launching.create(deps, request)
        except (AlreadyExists, QuotaExceeded) as e:
            async with deps.sessions() as session:
                if await execution_lookup.find_execution(session, execution_id) is None:
                    return _skipped(launch, e.message)  # The limit of the launch plan is reached, or its queue is full.
        except InvalidRequest as e:
            if not any(isinstance(detail, project_pb2.InactiveProject) for detail in e.details):
                raise
            return _skipped(launch, e.message)
        return control_pb2.ScheduledLaunchResult(execution_id=execution_id)


def execution_name(plan: identifier_pb2.Identifier, seconds: int) -> str:
    """Return the name of the execution that a schedule launches at a Unix time; it is that of Flyte's scheduler."""
    text = ":".join((*identifiers.entity_key(plan), str(seconds)))
    return f"f{naming.fnv1(text.encode()).to_bytes(8, 'little').hex()}000"


def create_request(launch: control_pb2.ScheduledLaunch, kickoff: str) -> execution_pb2.ExecutionCreateRequest:
    """Return the request that launches the execution of a time; ``kickoff`` names the input that gets it, if any."""
    plan = launch.launch_plan
    request = execution_pb2.ExecutionCreateRequest(
        project=plan.project,
        domain=plan.domain,
        name=execution_name(plan, launch.scheduled_at.seconds),
        spec=execution_pb2.ExecutionSpec(
            launch_plan=plan, metadata=Mode(mode=Mode.SCHEDULED, scheduled_at=launch.scheduled_at)
        ),
    )
    if kickoff:
        request.inputs.literals[kickoff].scalar.primitive.datetime.CopyFrom(launch.scheduled_at)
    return request


def _skipped(launch: control_pb2.ScheduledLaunch, reason: str) -> control_pb2.ScheduledLaunchResult:
    name = ":".join(identifiers.entity_key(launch.launch_plan))
    _log.info("scheduled_launch_skipped", launch_plan=name, time=launch.scheduled_at.ToJsonString(), reason=reason)
    return control_pb2.ScheduledLaunchResult(skipped=reason)
