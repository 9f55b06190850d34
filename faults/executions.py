"""Launch executions, signal and abort them as users do, and wait until all have ended. Failed calls are repeated."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import psycopg
from flyteidl.admin import common_pb2, execution_pb2, signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import admin_pb2_grpc, signal_pb2_grpc

from faults.calls import CALL_SECONDS, DOMAIN, POLL_SECONDS, PROJECT, execution_id, retried
from faults.kinds import Again, Kind, integer, text
from faults.operators import Operators
from flytetemporal.cli.commands import fork, why
from flytetemporal.cli.commands.operators import pause, resume
from flytetemporal.contracts.v1 import fork_pb2, operations_pb2, pauses_pb2

# The suite kills fork servers more often than Flyte's three system retries allow for.
RETRIES = {"flytetemporal.io/retry": "[{cause: SYSTEM, retries: 100}]"}
HOLD = {"flytetemporal.io/on-failure": "hold"}
PAUSE_SECONDS = 6.0
OPEN = "phase in ('UNDEFINED', 'QUEUED', 'RUNNING', 'SUCCEEDING', 'FAILING', 'ABORTING')"


@dataclass
class Run:
    """One execution of the suite.

    ``late``: its abort was refused because it had ended. ``trouble``: the error of another refused call.
    ``waited``: what it waited for when its time was over. ``waits``: what it waited for after that time without kills.
    """

    name: str
    kind: Kind
    abort_after: float = 0.0
    late: bool = False
    launched: bool = False
    trouble: str = ""
    waited: str = ""
    waits: str = ""
    # How long after its start it is paused, and the times between which nothing may start, in epoch seconds.
    pause_after: float = 0.0
    paused_from: float = 0.0
    paused_until: float = 0.0
    created: asyncio.Event = field(default_factory=asyncio.Event)
    # The fork or recovery that follows, and how long after the start of this run a fork of it is made early.
    follower: "Run | None" = None
    follow_after: float = 0.0
    source: "Run | None" = None


class Executions:
    """A client of one stack."""

    def __init__(self, state: dict[str, Any], version: str, folder: str) -> None:
        options = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.initial_reconnect_backoff_ms", 100)]
        self._channel = grpc.aio.insecure_channel(state["grpc_endpoint"], options=options)
        self._admin = admin_pb2_grpc.AdminServiceStub(self._channel)
        self._signals = signal_pb2_grpc.SignalServiceStub(self._channel)
        self._database = state["database_url"].replace("+psycopg", "")
        self._version = version
        self._folder = folder
        self._operators = Operators(self._channel, folder)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def run_all(
        self,
        runs: Sequence[Run],
        concurrency: int,
        settle_seconds: float,
        launch_seconds: float,
        stop_killing: Callable[[], Awaitable[None]],
    ) -> list[str]:
        """Launch all runs, ``concurrency`` open at once; return the names of those that are stuck.

        After ``launch_seconds``, if that is not 0, no more are launched. A run is slow if it does not end within
        ``settle_seconds``, and stuck if it does not end within as much time again without kills.
        """
        ended = {run.name: asyncio.Event() for run in with_followers(runs)}
        slots = asyncio.Semaphore(concurrency)
        last_launch = time.monotonic() + (launch_seconds or math.inf)
        open_ones: dict[str, asyncio.Task[None]] = {}

        async def one(run: Run) -> None:
            async with slots:
                if time.monotonic() > last_launch:
                    return
                run.launched = True
                open_ones[run.name] = asyncio.create_task(self._with_follower(run, ended))
                run.waited = await self._unless_ended(run, open_ones[run.name], settle_seconds)

        async def without_kills(run: Run) -> None:
            run.waits = await self._unless_ended(run, open_ones[run.name], settle_seconds)

        async with asyncio.TaskGroup() as group:  # If the watcher fails, no run is seen to end: fail all.
            watching = group.create_task(self._watch(ended))
            # These gathers only wait: the tasks belong to the group, which cancels them if one fails.
            await asyncio.gather(*[group.create_task(one(run)) for run in runs])
            await stop_killing()
            await asyncio.gather(*[group.create_task(without_kills(run)) for run in runs if run.waited])
            watching.cancel()
        for whole in open_ones.values():
            whole.cancel()
        return [run.name for run in runs if run.waits]

    async def _unless_ended(self, run: Run, whole: asyncio.Task[None], seconds: float) -> str:
        """Wait for the end of a run for ``seconds``; return what it waits for if it has not ended."""
        done, _ = await asyncio.wait([whole], timeout=seconds)
        if done:
            whole.result()
            return ""
        return await self._explained(run.name) or "no explanation"

    async def _with_follower(self, run: Run, ended: Mapping[str, asyncio.Event]) -> None:
        """Run a run to its end and, if its kind says so, a fork or recovery of it; compare their outputs."""
        follower, again = run.follower, run.kind.again
        whole = asyncio.create_task(self._whole(run, ended[run.name]))
        try:
            if follower is None or again is None:
                await whole
                return
            if again.early:
                await run.created.wait()
                await asyncio.sleep(run.follow_after)
            else:
                await whole
            follower.launched = True
            await self._whole(follower, ended[follower.name])
            await whole
        finally:
            whole.cancel()
        if again.same and await self._outputs(run.name) != await self._outputs(follower.name):
            follower.trouble = f"its outputs are not those of {run.name}"

    async def _whole(self, run: Run, ended: asyncio.Event) -> None:
        """Launch a run, signal or abort it as its kind says, and wait until it has ended."""
        acting = asyncio.create_task(self._act(run))
        try:
            await self._launch(run)
            run.created.set()
            await ended.wait()
            # The answer says whether the abort came too late; the edits are compared with their records.
            if run.kind.aborted or run.kind.held:
                await acting
        finally:
            acting.cancel()

    async def _explained(self, name: str) -> str:
        """Return the output of ``flytetemporal why`` for an execution."""
        request = operations_pb2.ExplainRequest(execution_id=execution_id(name))
        call = self._channel.unary_unary(
            why.EXPLAIN,
            request_serializer=operations_pb2.ExplainRequest.SerializeToString,
            response_deserializer=operations_pb2.ExplainResponse.FromString,
        )
        answers: list[operations_pb2.ExplainResponse] = []

        async def ask() -> None:
            answers[:] = [await call(request, timeout=CALL_SECONDS)]

        await retried(ask, {"NOT_FOUND"})
        return "; ".join(line.strip() for answer in answers for line in why.lines(name, answer))

    async def _watch(self, ended: Mapping[str, asyncio.Event]) -> None:
        while True:
            for (name,) in await self.query(f"select execution_name from executions where not {OPEN}"):
                if name in ended:
                    ended[name].set()
            await asyncio.sleep(POLL_SECONDS)

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Query the database; repeat the query until it answers."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._database, connect_timeout=5) as connection:
                    return list(await (await connection.execute(statement.encode())).fetchall())
            except psycopg.OperationalError:
                await asyncio.sleep(POLL_SECONDS)

    async def _launch(self, run: Run) -> None:
        if run.source is not None and run.source.kind.again is not None:
            await self._follow(run, run.source, run.source.kind.again)
            return
        inputs = {name: integer(value) for name, value in run.kind.inputs.items()}
        if run.kind.with_folder:
            inputs["folder"] = text(self._folder)
        plan = identifier_pb2.Identifier(
            resource_type=identifier_pb2.LAUNCH_PLAN,
            project=PROJECT,
            domain=DOMAIN,
            name=run.kind.plan or f"faults.program.{run.kind.workflow}",
            version=self._version,
        )
        request = execution_pb2.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name=run.name,
            inputs=literals_pb2.LiteralMap(literals=inputs),
            spec=execution_pb2.ExecutionSpec(
                launch_plan=plan,
                annotations=common_pb2.Annotations(values=RETRIES | HOLD if run.kind.held else RETRIES),
            ),
        )
        await retried(lambda: self._admin.CreateExecution(request, timeout=CALL_SECONDS), {"ALREADY_EXISTS"})

    async def _follow(self, run: Run, source: Run, again: Again) -> None:
        """Fork or recover the source of a run. A repeated call makes no second execution."""
        if again.from_nodes is None:
            recover = execution_pb2.ExecutionRecoverRequest(id=execution_id(source.name), name=run.name)
            await retried(lambda: self._admin.RecoverExecution(recover, timeout=CALL_SECONDS), {"ALREADY_EXISTS"})
            return
        request = fork_pb2.ForkRequest(
            execution_id=execution_id(source.name), from_nodes=again.from_nodes, name=run.name, request_id=run.name
        )
        call = self._channel.unary_unary(
            fork.FORK,
            request_serializer=fork_pb2.ForkRequest.SerializeToString,
            response_deserializer=fork_pb2.ForkResponse.FromString,
        )
        await retried(lambda: call(request, timeout=CALL_SECONDS), set())

    async def _outputs(self, name: str) -> literals_pb2.LiteralMap:
        """Return the outputs of an execution that has ended."""
        request = execution_pb2.WorkflowExecutionGetDataRequest(id=execution_id(name))
        found: list[literals_pb2.LiteralMap] = []

        async def read() -> None:
            found[:] = [(await self._admin.GetExecutionData(request, timeout=CALL_SECONDS)).full_outputs]

        await retried(read, set())
        return found[0]

    async def _act(self, run: Run) -> None:
        await run.created.wait()
        try:
            await self._signal(run)
            await self._pause(run)
            await self._abort(run)
            if run.kind.held:
                run.trouble = await self._operators.repair(run.name, run.kind.held)
        except grpc.aio.AioRpcError as e:
            run.trouble = f"{e.code().name}: {e.details()}"

    async def _signal(self, run: Run) -> None:
        for name, value in run.kind.signals.items():
            signal_id = identifier_pb2.SignalIdentifier(signal_id=name, execution_id=execution_id(run.name))
            request = signal_pb2.SignalSetRequest(id=signal_id, value=value)
            while await self._set(request) == "INVALID_ARGUMENT":  # noqa: ASYNC110  The gate is not reached yet.
                await asyncio.sleep(POLL_SECONDS)

    async def _abort(self, run: Run) -> None:
        if not run.kind.aborted:
            return
        await asyncio.sleep(run.abort_after)
        abort = execution_pb2.ExecutionTerminateRequest(id=execution_id(run.name), cause="aborted by the fault suite")
        answer = await retried(
            lambda: self._admin.TerminateExecution(abort, timeout=CALL_SECONDS), {"FAILED_PRECONDITION"}
        )
        run.late = answer == "FAILED_PRECONDITION"

    async def _pause(self, run: Run) -> None:
        """Pause a run at a random moment and resume it; note the time in which its workflow knows the pause."""
        if not run.kind.paused:
            return
        await asyncio.sleep(run.pause_after)
        target = pauses_pb2.PauseTarget(project=PROJECT, domain=DOMAIN, name=run.name)
        asked = pauses_pb2.PauseRequest(target=target, stop_running=run.kind.stop_running)
        call = self._channel.unary_unary(
            pause.PAUSE,
            request_serializer=pauses_pb2.PauseRequest.SerializeToString,
            response_deserializer=pauses_pb2.PauseResponse.FromString,
        )
        if await retried(lambda: call(asked, timeout=CALL_SECONDS), {"FAILED_PRECONDITION"}):
            return  # It has ended.
        owed = f"select 1 from pauses where name = '{run.name}' and undelivered"
        while await self.query(owed):  # noqa: ASYNC110  asks the database
            await asyncio.sleep(POLL_SECONDS)
        began = time.time()
        await asyncio.sleep(PAUSE_SECONDS)
        run.paused_from, run.paused_until = began, time.time()
        again = pauses_pb2.ResumeRequest(target=target)
        resumed = self._channel.unary_unary(
            resume.RESUME,
            request_serializer=pauses_pb2.ResumeRequest.SerializeToString,
            response_deserializer=pauses_pb2.ResumeResponse.FromString,
        )
        await retried(lambda: resumed(again, timeout=CALL_SECONDS), set())

    async def _set(self, request: signal_pb2.SignalSetRequest) -> str:
        return await retried(lambda: self._signals.SetSignal(request, timeout=CALL_SECONDS), {"INVALID_ARGUMENT"})


def chosen(kinds: Sequence[Kind], count: int, dice: random.Random, prefix: str) -> list[Run]:
    """Return ``count`` runs of random kinds; those that follow them are not counted."""
    picked = dice.choices(kinds, [kind.weight for kind in kinds], k=count)
    runs = [
        Run(f"{prefix}{number:05d}", kind, abort_after=dice.uniform(0, kind.aborted))
        for number, kind in enumerate(picked)
    ]
    for run in runs:
        run.pause_after = dice.uniform(0, run.kind.paused)
        if run.kind.again is not None:
            run.follower = Run(f"{run.name}k", run.kind.again.kind, source=run)
            run.follow_after = dice.uniform(0, run.kind.again.early)
    return runs


def with_followers(runs: Sequence[Run]) -> list[Run]:
    """Return the runs, each followed by the fork or recovery of it."""
    return [each for run in runs for each in (run, run.follower) if each is not None]
