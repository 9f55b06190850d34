"""A stack whose processes are killed while a part of the suite works on it."""

import asyncio
import contextlib
import random
import secrets
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import psycopg
from flyteidl.admin import common_pb2, execution_pb2, launch_plan_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import admin_pb2_grpc
from temporalio.client import Client
from temporalio.service import RPCError

from faults import __main__ as suite
from faults.calls import CALL_SECONDS, DOMAIN, POLL_SECONDS, PROJECT, retried
from faults.environment import variables
from faults.executions import OPEN, Executions
from faults.killer import CONTROL_PLANE, Killer
from faults.kinds import integer, text
from flytetemporal.contracts import workflows
from scripts import background_stack

# Generous: processes that are killed again and again on a busy machine come back slowly.
HANG_SECONDS = 600.0
INPUTS = {"engine_only": {"a": integer(1)}, "naps": {}}
OPERATIONS = "/flytetemporal.v1.OperationsService/"
WORKFLOW, LAUNCH_PLAN = "WORKFLOW", "LAUNCH_PLAN"


@dataclass(frozen=True)
class Stage:
    """A running stack, its clients, and the dice of the part."""

    state: Mapping[str, Any]
    version: str
    dice: random.Random
    executions: Executions
    channel: grpc.aio.Channel
    notes: Path
    project: str = PROJECT

    @property
    def admin(self) -> admin_pb2_grpc.AdminServiceStub:
        """A stub of admin."""
        return admin_pb2_grpc.AdminServiceStub(self.channel)

    def identifier(self, kind: str, name: str) -> identifier_pb2.Identifier:
        """Return the id of an entity in the version of the suite."""
        return identifier_pb2.Identifier(
            resource_type=kind, project=self.project, domain=DOMAIN, name=name, version=self.version
        )

    def inputs(self, workflow: str) -> Mapping[str, literals_pb2.Literal]:
        """Return the inputs of a workflow of the program."""
        return INPUTS.get(workflow, {"folder": text(str(self.notes))})

    async def register(self, name: str, workflow: str, annotations: Mapping[str, str], cron: str = "") -> None:
        """Register a launch plan of a workflow of the program, which needs no inputs."""
        spec = launch_plan_pb2.LaunchPlanSpec(
            workflow_id=self.identifier(WORKFLOW, f"faults.program.{workflow}"),
            annotations=common_pb2.Annotations(values=annotations),
            fixed_inputs=literals_pb2.LiteralMap(literals=self.inputs(workflow)),
        )
        if cron:
            spec.entity_metadata.schedule.cron_schedule.schedule = cron
        request = launch_plan_pb2.LaunchPlanCreateRequest(id=self.identifier(LAUNCH_PLAN, name), spec=spec)
        await retried(lambda: self.admin.CreateLaunchPlan(request, timeout=CALL_SECONDS), {"ALREADY_EXISTS"})

    async def launch(self, name: str, plan: str, refusals: Iterable[str] = ()) -> bool:
        """Launch an execution of a launch plan; return False if it is refused as expected."""
        request = execution_pb2.ExecutionCreateRequest(
            project=self.project,
            domain=DOMAIN,
            name=name,
            spec=execution_pb2.ExecutionSpec(launch_plan=self.identifier(LAUNCH_PLAN, plan)),
        )
        expected = {"ALREADY_EXISTS", *refusals}
        refused = await retried(lambda: self.admin.CreateExecution(request, timeout=CALL_SECONDS), expected)
        return refused in ("", "ALREADY_EXISTS")

    async def wake(self, loop: str) -> None:
        """Have a loop of the control worker run a round now, which it would do a minute later."""
        with contextlib.suppress(RPCError, RuntimeError):  # Temporal is down: the loop runs when it is back.
            client = await self.temporal()
            await client.get_workflow_handle(workflows.upkeep_id(loop)).signal(workflows.WAKE)

    async def temporal(self) -> Client:
        """Return a client of Temporal, which connects with its first call."""
        address, namespace = self.state["temporal_address"], self.state["temporal_namespace"]
        return await Client.connect(address, namespace=namespace, lazy=True)

    async def operate(self, method: str, request: Any, response: Any, expected: Iterable[str] = ()) -> Any:
        """Call a method of our own service until it answers; return None if it was refused as expected."""
        call = self.channel.unary_unary(
            OPERATIONS + method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        answers: list[Any] = []

        async def ask() -> None:
            answers[:] = [await call(request, timeout=CALL_SECONDS)]

        await retried(ask, set(expected))
        return answers[0] if answers else None

    async def until(self, is_so: Callable[[], Awaitable[bool]], otherwise: str) -> list[str]:
        """Wait until something is so; return a problem, ``otherwise``, if it is not for too long."""
        deadline = time.monotonic() + HANG_SECONDS
        while not await is_so():
            if time.monotonic() > deadline:
                return [f"{otherwise} after {HANG_SECONDS:g} s"]
            await asyncio.sleep(POLL_SECONDS)
        return []

    async def until_none(self, *statements: str) -> list[str]:
        """Wait until each statement finds no rows; return a problem for each that finds some for too long."""

        async def finds_none(statement: str) -> bool:
            return not await self.executions.query(statement)

        problems = [await self.until(partial(finds_none, one), f"there are still rows: {one}") for one in statements]
        return [problem for found in problems for problem in found]

    async def until_ended(self) -> list[str]:
        """Wait until all executions have ended; return a problem if they do not."""
        return await self.until_none(f"select execution_name from executions where {OPEN}")

    async def execute(self, statement: str) -> None:
        """Change the database, before the kills begin."""
        url = self.state["database_url"].replace("+psycopg", "")
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute(statement.encode())


Work = Callable[[Stage], Awaitable[list[str]]]


def staged(
    title: str,
    work: Work,
    *,
    seed: int | None,
    kill_every: float,
    settings: Mapping[str, str] | None = None,
    prepare: Work | None = None,
) -> bool:
    """Run a part of the suite on a stack of its own; print its problems; return whether there are none.

    ``settings`` are variables of the stack. ``prepare`` runs before the kills begin, ``work`` during them.
    """
    seed = secrets.randbelow(10**6) if seed is None else seed
    print(f"seed {seed}: {title}, a kill every {kill_every} s", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="flytetemporal-faults-"))
    (folder / "notes").mkdir()
    with (
        variables(settings or {}),
        (folder / "dev.log").open("wb") as output,
        background_stack.running(folder / "home", output=output) as state,
    ):
        version = suite.register(state)
        problems = asyncio.run(_with_kills(state, version, folder, seed, kill_every, prepare, work))
    for problem in problems[:50]:
        print(f"  {problem}")
    print(f"{title}: {len(problems)} problems", flush=True)
    subprocess.run(["rm", "-rf", str(folder)], check=False)
    return not problems


async def _with_kills(
    state: dict[str, Any],
    version: str,
    folder: Path,
    seed: int,
    kill_every: float,
    prepare: Work | None,
    work: Work,
) -> list[str]:
    dice = random.Random(seed)
    killer = Killer(folder / "home", random.Random(dice.random()), kill_every, targets=CONTROL_PLANE)
    executions = Executions(state, version, str(folder / "notes"))
    async with grpc.aio.insecure_channel(state["grpc_endpoint"]) as channel:
        stage = Stage(state, version, dice, executions, channel, folder / "notes")
        problems = await prepare(stage) if prepare is not None else []
        killing = asyncio.create_task(killer.run() if kill_every else asyncio.sleep(0))
        try:
            problems += await work(stage)
        finally:
            killing.cancel()
            await executions.close()
    killed = ", ".join(f"{name} {number}" for name, number in sorted(killer.kills.items())) or "nothing"
    print(f"  killed: {killed}")
    return problems
