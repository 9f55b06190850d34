"""What schedules cost that only exist, and how late executions are that fire in the same minute."""

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, schedule_pb2
from flyteidl.core import identifier_pb2
from flyteidl.service import admin_pb2_grpc

from bench import processes
from bench.executions import DOMAIN, PROJECT
from bench.table import Row
from flytetemporal.idl import times

ACTIVE, FIRING = 10_000, 1_000
# Schedules that fire one after the other, and the number of their executions that are measured.
SPREAD, SPREAD_EXPRESSION, SPREAD_EXECUTIONS = 20, "@every 15s", 100
AT_ONCE = 50
POLL_SECONDS = 2.0
# Admin lists at most this many executions per page.
PAGE = 500
_YEARLY = "0 0 1 1 *"
# Time to activate the schedules that fire.
LEAD = timedelta(minutes=2)


async def rows(
    state: Mapping[str, Any], workflow: str, version: str, *, active: int = ACTIVE, firing: int = FIRING
) -> list[Row]:
    """Activate ``active`` schedules that do not fire, then ``firing`` ones that all fire in the same minute.

    ``workflow`` has an integer input ``a``.
    """
    async with grpc.aio.insecure_channel(state["grpc_endpoint"]) as channel:
        stack = _Schedules(admin_pb2_grpc.AdminServiceStub(channel), workflow, version)
        before, started = processes.megabytes(state["processes"]), time.perf_counter()
        await stack.activate("idle", active, _YEARLY)
        seconds = time.perf_counter() - started
        after = processes.megabytes(state["processes"])
        since = datetime.now(UTC)
        await stack.activate("spread", SPREAD, SPREAD_EXPRESSION)
        apart = await stack.delays(SPREAD_EXECUTIONS, since)
        await stack.deactivate("spread", SPREAD)
        # The minute begins when all of them are there.
        at = (datetime.now(UTC) + LEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
        await stack.activate("firing", firing, f"{at.minute} {at.hour} {at.day} {at.month} *")
        late = await stack.delays(firing, at)
        await stack.deactivate("idle", active)
        await stack.deactivate("firing", firing)
    title = f"for {active:,} active schedules: growth of"
    grown = [Row(f"{title} {name}", after[name] - before[name], "MiB") for name in sorted(after)]
    return [
        Row(f"activate {active:,} schedules, {AT_ONCE} at once", active / seconds, "schedules/s"),
        *grown,
        *_percentiles(f"with {active:,} active schedules, one that fires", apart),
        *_percentiles(f"{firing:,} schedules in the same minute", late),
    ]


def _percentiles(title: str, delays: Sequence[float]) -> list[Row]:
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    return [Row(f"{title}: delay p50", cuts[49], "s"), Row(f"{title}: delay p99", cuts[98], "s")]


class _Schedules:
    """Launch plans of one workflow, each with a schedule."""

    def __init__(self, admin: admin_pb2_grpc.AdminServiceStub, workflow: str, version: str) -> None:
        self._admin = admin
        self._workflow = identifier_pb2.Identifier(
            resource_type="WORKFLOW", project=PROJECT, domain=DOMAIN, name=workflow, version=version
        )

    async def activate(self, prefix: str, number: int, expression: str) -> None:
        """Register launch plans and activate them."""

        async def one(plan: identifier_pb2.Identifier) -> None:
            await self._admin.CreateLaunchPlan(self._request(plan, expression))
            await self._set(plan, launch_plan_pb2.ACTIVE)

        await self._each(prefix, number, one)

    async def deactivate(self, prefix: str, number: int) -> None:
        """Deactivate launch plans."""

        async def one(plan: identifier_pb2.Identifier) -> None:
            await self._set(plan, launch_plan_pb2.INACTIVE)

        await self._each(prefix, number, one)

    async def delays(self, number: int, at: datetime) -> Sequence[float]:
        """Wait for ``number`` executions of schedules since a time; return how late they were recorded."""
        while True:
            found = await self._late(at)
            if len(found) >= number:
                return found
            await asyncio.sleep(POLL_SECONDS)

    async def _late(self, at: datetime) -> list[float]:
        found, token = [], ""
        while True:
            request = common_pb2.ResourceListRequest(
                id=common_pb2.NamedEntityIdentifier(project=PROJECT, domain=DOMAIN),
                filters=f"eq(mode,1)+gte(created_at,{at:%Y-%m-%dT%H:%M:%SZ})",
                limit=PAGE,
                token=token,
            )
            listed = await self._admin.ListExecutions(request)
            found += [_delay(execution) for execution in listed.executions]
            token = listed.token
            if not token:
                return found

    async def _each(self, prefix: str, number: int, work: Any) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def bounded(count: int) -> None:
            async with slots:
                await work(self._plan(f"{prefix}_{count:05d}"))

        async with asyncio.TaskGroup() as group:
            for count in range(number):
                group.create_task(bounded(count))

    async def _set(self, plan: identifier_pb2.Identifier, state: launch_plan_pb2.LaunchPlanState) -> None:
        await self._admin.UpdateLaunchPlan(launch_plan_pb2.LaunchPlanUpdateRequest(id=plan, state=state))

    def _plan(self, name: str) -> identifier_pb2.Identifier:
        return identifier_pb2.Identifier(
            resource_type="LAUNCH_PLAN",
            project=PROJECT,
            domain=DOMAIN,
            name=name,
            version=self._workflow.version,
        )

    def _request(self, plan: identifier_pb2.Identifier, expression: str) -> launch_plan_pb2.LaunchPlanCreateRequest:
        cron = schedule_pb2.CronSchedule(schedule=expression)
        spec = launch_plan_pb2.LaunchPlanSpec(
            workflow_id=self._workflow,
            entity_metadata=launch_plan_pb2.LaunchPlanMetadata(schedule=schedule_pb2.Schedule(cron_schedule=cron)),
        )
        spec.fixed_inputs.literals["a"].scalar.primitive.integer = 1
        return launch_plan_pb2.LaunchPlanCreateRequest(id=plan, spec=spec)


def _delay(execution: execution_pb2.Execution) -> float:
    scheduled = times.moment(execution.spec.metadata.scheduled_at)
    return (times.moment(execution.closure.created_at) - scheduled).total_seconds()
