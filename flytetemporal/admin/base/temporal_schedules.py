"""The door from admin to Temporal Schedules, one for each launch plan whose active version has a schedule."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.client import Schedule as TemporalSchedule
from temporalio.common import Priority
from temporalio.service import RPCError, RPCStatusCode

from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import control_pb2
from flytetemporal.errors import InvalidRequest, Unavailable
from flytetemporal.idl import identifiers

PREFIX = "flyte-schedule:"
# The version of what this module makes of a schedule. Another one makes every schedule anew.
FORM = "1"
_DIGEST = "digest"
PAGE = 500
# Two calls at once can each delete what the other has made.
TRIES = 5


@dataclass(frozen=True, slots=True)
class Schedule:
    """The schedule of a launch plan. It fires when any of ``crons`` matches, or once in each interval ``every``."""

    argument: control_pb2.LaunchSchedule
    crons: tuple[str, ...]
    every: timedelta
    anchor: timedelta
    """The intervals start at this time after the Unix epoch, and at every multiple of ``every`` from there."""
    time_zone: str
    catch_up: timedelta
    jitter: timedelta

    @property
    def id(self) -> str:
        """The id in Temporal: a launch plan has one active version, and so one schedule."""
        plan = self.argument.launch_plan
        return schedule_id(plan.project, plan.domain, plan.name)

    @property
    def digest(self) -> str:
        """A digest of everything that Temporal has to know."""
        times = (self.crons, self.every, self.anchor, self.time_zone, self.catch_up, self.jitter)
        content = self.argument.SerializeToString(deterministic=True) + repr(times).encode()
        return hashlib.sha256(FORM.encode() + content).hexdigest()[:32]


def schedule_id(project: str, domain: str, name: str) -> str:
    """Return the id of the schedule of a launch plan."""
    return f"{PREFIX}{project}:{domain}:{name}"


class TemporalSchedules:
    """The schedules in Temporal. All methods can be repeated with the same effect, and raise ``Unavailable``."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def put(self, schedule: Schedule) -> bool:
        """Create the schedule, in place of an older one of its launch plan; return False if it is there already.

        Raises:
            InvalidRequest: Temporal refuses it.
        """
        # What has fired is kept by name in admin. A new schedule instead of an update, since an update keeps the memo.
        for _ in range(TRIES):
            if await self._created(schedule):
                return True
            if await self.digest(schedule.id) == schedule.digest:
                return False
            await self.delete(schedule.id)
        raise Unavailable(f"schedule {schedule.id} is being made by another call; try again")

    async def delete(self, identifier: str) -> bool:
        """Delete a schedule; return False if there is none."""
        try:
            await self._client.get_schedule_handle(identifier).delete()
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND:
                return False
            raise _unavailable(e) from e
        return True

    async def digests(self) -> AsyncIterator[tuple[str, str]]:
        """Yield id and digest of every schedule; Temporal can be seconds late with the newest ones."""
        try:
            async for found in await self._client.list_schedules(page_size=PAGE):
                if found.id.startswith(PREFIX):
                    yield found.id, str((await found.memo()).get(_DIGEST, ""))
        except RPCError as e:
            raise _unavailable(e) from e

    async def digest(self, identifier: str) -> str:
        """Return the digest of a schedule; empty if there is none."""
        try:
            found = await self._client.get_schedule_handle(identifier).describe()
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND:
                return ""
            raise _unavailable(e) from e
        return str((await found.memo()).get(_DIGEST, ""))

    async def next_times(self, identifier: str) -> list[datetime] | None:
        """Return when a schedule fires next; None if there is none."""
        try:
            found = await self._client.get_schedule_handle(identifier).describe()
        except RPCError as e:
            if e.status == RPCStatusCode.NOT_FOUND:
                return None
            raise _unavailable(e) from e
        return list(found.info.next_action_times)

    async def _created(self, schedule: Schedule) -> bool:
        name = ":".join(identifiers.entity_key(schedule.argument.launch_plan))
        try:
            await self._client.create_schedule(
                schedule.id,
                TemporalSchedule(
                    action=ScheduleActionStartWorkflow(
                        workflows.SCHEDULED_LAUNCH_WORKFLOW,
                        schedule.argument,
                        id=schedule.id,
                        task_queue=workflows.CONTROL_QUEUE,
                        static_summary=f"launches {name}",
                        priority=Priority(),
                    ),
                    spec=_spec(schedule),
                    # Each time makes an execution, as in Flyte; the activity decides about those that overlap.
                    policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.ALLOW_ALL, catchup_window=schedule.catch_up),
                ),
                memo={"launch_plan": name, _DIGEST: schedule.digest},
            )
        except ScheduleAlreadyRunningError:
            return False
        except RPCError as e:
            if e.status == RPCStatusCode.INVALID_ARGUMENT:
                raise InvalidRequest(f"Temporal refuses the schedule of {name}: {e.message}") from e
            raise _unavailable(e) from e
        return True


def _spec(schedule: Schedule) -> ScheduleSpec:
    intervals = [ScheduleIntervalSpec(every=schedule.every, offset=schedule.anchor)] if schedule.every else []
    return ScheduleSpec(
        cron_expressions=schedule.crons,
        intervals=intervals,
        time_zone_name=schedule.time_zone,
        jitter=schedule.jitter or None,
    )


def _unavailable(error: RPCError) -> Unavailable:
    return Unavailable(f"Temporal does not answer: {error.message}")
