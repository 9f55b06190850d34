"""``python -m faults.schedules``: a launch plan is activated and deactivated while all processes are killed.

Each time of its schedule launches one execution while it is active, none is lost or doubled, and none follows after it
was deactivated. The launch plan has one place: the executions wait for each other, so that never two run at once.
"""

import asyncio
import itertools
import random
import secrets
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import grpc
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2, schedule_pb2
from flyteidl.core import identifier_pb2
from flyteidl.service import admin_pb2_grpc

from faults import __main__ as suite
from faults.calls import CALL_SECONDS, DOMAIN, POLL_SECONDS, PROJECT, retried
from faults.executions import OPEN, Executions
from faults.killer import Killer
from faults.kinds import integer
from flytetemporal.admin.executions.scheduled_launching import execution_name
from scripts import background_stack

EVERY_SECONDS = 2
# Times that a schedule must have launched before it is deactivated.
TIMES = 8
HANG_SECONDS = 300.0


@dataclass(frozen=True)
class Launched:
    """An execution of the schedule; times are epoch seconds."""

    name: str
    phase: str
    scheduled_at: int
    started_at: float
    ended_at: float


@click.command()
@click.option("--rounds", default=10, show_default=True, help="How often the schedule is activated.")
@click.option("--seed", type=int, default=None, help="Seed of an earlier run, to repeat it.")
@click.option("--kill-every", default=3.0, show_default=True, help="Mean seconds between kills; 0: no kills.")
def main(**options: Any) -> None:
    """Activate and deactivate a schedule while processes are killed, and judge its executions."""
    sys.exit(0 if run(**options) else 1)


def run(*, rounds: int, seed: int | None, kill_every: float) -> bool:
    """Run the rounds; print what happened; return whether every time launched one execution."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(f"seed {seed}: {rounds} activations, a kill every {kill_every} s", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="flytetemporal-schedules-"))
    with (folder / "dev.log").open("wb") as output, background_stack.running(folder / "home", output=output) as state:
        version = suite.register(state)
        killer = Killer(folder / "home", random.Random(seed), kill_every)
        problems = asyncio.run(_rounds(state, version, killer, rounds, kill_every))
    for problem in problems:
        print(f"  {problem}")
    print(f"schedule of {rounds} activations: {len(problems)} problems", flush=True)
    subprocess.run(["rm", "-rf", str(folder)], check=False)
    return not problems


async def _rounds(state: dict[str, Any], version: str, killer: Killer, rounds: int, kill_every: float) -> list[str]:
    async with grpc.aio.insecure_channel(state["grpc_endpoint"]) as channel:
        schedule = _Schedule(channel, Executions(state, version, ""), version)
        await schedule.create()
        killing = asyncio.create_task(killer.run() if kill_every else asyncio.sleep(0))
        try:
            problems = [problem for _ in range(rounds) for problem in await schedule.round()]
        finally:
            killing.cancel()
        problems += await schedule.judged()
        killed = ", ".join(f"{name} {number}" for name, number in sorted(killer.kills.items())) or "nothing"
        print(f"  {len(await schedule.launched())} executions; killed: {killed}")
        return problems


class _Schedule:
    """A launch plan with a schedule and one place, and what its executions show."""

    def __init__(self, channel: grpc.aio.Channel, executions: Executions, version: str) -> None:
        self._admin = admin_pb2_grpc.AdminServiceStub(channel)
        self._executions = executions
        self._workflow = identifier_pb2.Identifier(
            resource_type="WORKFLOW", project=PROJECT, domain=DOMAIN, name="faults.program.engine_only", version=version
        )
        self._plan = identifier_pb2.Identifier(
            resource_type="LAUNCH_PLAN", project=PROJECT, domain=DOMAIN, name="every_other_second", version=version
        )
        self._last_time = 0
        self._deactivated_at = 0.0

    async def create(self) -> None:
        """Register the launch plan."""
        cron = schedule_pb2.CronSchedule(schedule=f"@every {EVERY_SECONDS}s")
        spec = launch_plan_pb2.LaunchPlanSpec(
            workflow_id=self._workflow,
            entity_metadata=launch_plan_pb2.LaunchPlanMetadata(schedule=schedule_pb2.Schedule(cron_schedule=cron)),
            annotations=common_pb2.Annotations(values={"flytetemporal.io/concurrency": "{max: 1, on_limit: queue}"}),
        )
        spec.fixed_inputs.literals["a"].CopyFrom(integer(1))
        request = launch_plan_pb2.LaunchPlanCreateRequest(id=self._plan, spec=spec)
        await retried(lambda: self._admin.CreateLaunchPlan(request, timeout=CALL_SECONDS), {"ALREADY_EXISTS"})

    async def round(self) -> list[str]:
        """Activate, wait for some times in a row, deactivate; return the times that launched nothing."""
        await self._set(launch_plan_pb2.ACTIVE)
        problems = await self._missing()
        await self._set(launch_plan_pb2.INACTIVE)
        self._deactivated_at = time.time()
        self._last_time = max((found.scheduled_at for found in await self.launched()), default=0)
        return problems

    async def _missing(self) -> list[str]:
        deadline = time.monotonic() + HANG_SECONDS
        while True:
            times = sorted(
                found.scheduled_at for found in await self.launched() if found.scheduled_at > self._last_time
            )
            # Before the first one, the schedule may not have been made: admin can die between row and schedule.
            wanted = set(range(times[0], times[0] + TIMES * EVERY_SECONDS, EVERY_SECONDS)) if times else {0}
            missing = wanted - set(times)
            if not missing:
                return []
            if time.monotonic() > deadline:
                return [f"time {moment} launched nothing" for moment in sorted(missing)]
            await asyncio.sleep(POLL_SECONDS)

    async def judged(self) -> list[str]:
        """Wait until all executions have ended; return what is wrong with them."""
        deadline = time.monotonic() + HANG_SECONDS
        while await self._executions.query(f"select 1 from executions where {OPEN}"):
            if time.monotonic() > deadline:
                return ["executions do not end"]
            await asyncio.sleep(POLL_SECONDS)
        found = sorted(await self.launched(), key=lambda one: one.started_at)
        problems = [f"{one.name} ended as {one.phase}" for one in found if one.phase != "SUCCEEDED"]
        problems += [
            f"{one.name} is not named after its time"
            for one in found
            if one.name != execution_name(self._plan, one.scheduled_at)
        ]
        problems += [
            f"{two.name} ran beside {one.name}"
            for one, two in itertools.pairwise(found)
            if two.started_at < one.ended_at
        ]
        left = await self._executions.query("select execution_name from waiting_executions")
        return [*problems, *self._late([one.scheduled_at for one in found]), *(f"{name} waits" for (name,) in left)]

    def _late(self, times: list[int]) -> list[str]:
        """Return the times after the last deactivation at which something was launched."""
        late = [moment for moment in times if moment > self._deactivated_at]
        return [f"time {moment} launched after the deactivation" for moment in late]

    async def launched(self) -> list[Launched]:
        """Return the executions of the schedule."""
        rows = await self._executions.query("select execution_name, phase, spec, closure from executions")
        found = []
        for name, phase, spec, closure in rows:
            ended = execution_pb2.ExecutionClosure.FromString(closure)
            began = ended.started_at.ToNanoseconds() / 1e9
            metadata = execution_pb2.ExecutionSpec.FromString(spec).metadata
            found.append(
                Launched(
                    name, phase, metadata.scheduled_at.seconds, began, began + ended.duration.ToNanoseconds() / 1e9
                )
            )
        return found

    async def _set(self, state: launch_plan_pb2.LaunchPlanState) -> None:
        request = launch_plan_pb2.LaunchPlanUpdateRequest(id=self._plan, state=state)
        await retried(lambda: self._admin.UpdateLaunchPlan(request, timeout=CALL_SECONDS), set())


if __name__ == "__main__":
    main()
