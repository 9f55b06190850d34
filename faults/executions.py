"""Launch executions, do to them what people do, and wait until all have ended. Failed calls are repeated."""

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

from faults.kinds import Kind, integer, text
from flytetemporal.cli.commands import why
from flytetemporal.contracts.v1 import operations_pb2

PROJECT, DOMAIN = "flytesnacks", "development"
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
# Fork servers die more often than Flyte's three system retries allow for.
PATIENT = {"flytetemporal.io/retry": "[{cause: SYSTEM, retries: 100}]"}
POLL_SECONDS = 0.5
CALL_SECONDS = 20.0
OPEN = "phase in ('UNDEFINED', 'QUEUED', 'RUNNING', 'SUCCEEDING', 'FAILING', 'ABORTING')"


@dataclass
class Run:
    """One execution of the suite. ``late``: its abort was refused, as it had ended. ``trouble``: a call was refused.

    ``waited``: what it waited for when its time was over. ``waits``: what it still waits for when left in peace.
    """

    name: str
    kind: Kind
    abort_after: float = 0.0
    late: bool = False
    launched: bool = False
    trouble: str = ""
    waited: str = ""
    waits: str = ""
    created: asyncio.Event = field(default_factory=asyncio.Event)


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
        """Launch all, ``concurrency`` open at once; return the names of those that have not ended in the end.

        After ``launch_seconds``, unless they are 0, no more are launched. What has not ended in time is slow; it is
        stuck when it does not end in as much time again while nothing is killed.
        """
        ended = {run.name: asyncio.Event() for run in runs}
        slots = asyncio.Semaphore(concurrency)
        last_launch = time.monotonic() + (launch_seconds or math.inf)
        open_ones: dict[str, asyncio.Task[None]] = {}

        async def one(run: Run) -> None:
            async with slots:
                if time.monotonic() > last_launch:
                    return
                run.launched = True
                open_ones[run.name] = asyncio.create_task(self._whole(run, ended[run.name]))
                run.waited = await self._unless_ended(run, open_ones[run.name], settle_seconds)

        async def in_peace(run: Run) -> None:
            run.waits = await self._unless_ended(run, open_ones[run.name], settle_seconds)

        async with asyncio.TaskGroup() as group:  # Without the watcher nobody would be seen to end.
            watching = group.create_task(self._watch(ended))
            await asyncio.gather(*[group.create_task(one(run)) for run in runs])
            await stop_killing()
            await asyncio.gather(*[group.create_task(in_peace(run)) for run in runs if run.waited])
            watching.cancel()
        for whole in open_ones.values():
            whole.cancel()
        return [run.name for run in runs if run.waits]

    async def _unless_ended(self, run: Run, whole: asyncio.Task[None], seconds: float) -> str:
        """Give a run so much time; return what it waits for when that was not enough."""
        done, _ = await asyncio.wait([whole], timeout=seconds)
        if done:
            whole.result()
            return ""
        return await self._explained(run.name) or "nobody knows"

    async def _whole(self, run: Run, ended: asyncio.Event) -> None:
        """Launch a run, do to it what is to be done, and wait until it has ended."""
        acting = asyncio.create_task(self._act(run))
        try:
            await self._launch(run)
            run.created.set()
            await ended.wait()
            if run.kind.aborted:  # The answer tells whether it came too late.
                await acting
        finally:
            acting.cancel()

    async def _explained(self, name: str) -> str:
        """Return what ``flytetemporal why`` says of an execution."""
        request = operations_pb2.ExplainRequest(execution_id=_execution_id(name))
        call = self._channel.unary_unary(
            why.EXPLAIN,
            request_serializer=operations_pb2.ExplainRequest.SerializeToString,
            response_deserializer=operations_pb2.ExplainResponse.FromString,
        )
        answers: list[operations_pb2.ExplainResponse] = []

        async def ask() -> None:
            answers[:] = [await call(request, timeout=CALL_SECONDS)]

        await _patiently(ask, {"NOT_FOUND"})
        return "; ".join(line.strip() for answer in answers for line in why.lines(name, answer))

    async def _watch(self, ended: Mapping[str, asyncio.Event]) -> None:
        while True:
            for (name,) in await self.query(f"select execution_name from executions where not {OPEN}"):
                if name in ended:
                    ended[name].set()
            await asyncio.sleep(POLL_SECONDS)

    async def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the database, again while it does not answer."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._database, connect_timeout=5) as connection:
                    return list(await (await connection.execute(statement.encode())).fetchall())
            except psycopg.OperationalError:
                await asyncio.sleep(POLL_SECONDS)

    async def _launch(self, run: Run) -> None:
        inputs = {name: integer(value) for name, value in run.kind.inputs.items()}
        if run.kind.with_folder:
            inputs["folder"] = text(self._folder)
        plan = identifier_pb2.Identifier(
            resource_type=identifier_pb2.LAUNCH_PLAN,
            project=PROJECT,
            domain=DOMAIN,
            name=f"faults.program.{run.kind.workflow}",
            version=self._version,
        )
        request = execution_pb2.ExecutionCreateRequest(
            project=PROJECT,
            domain=DOMAIN,
            name=run.name,
            inputs=literals_pb2.LiteralMap(literals=inputs),
            spec=execution_pb2.ExecutionSpec(launch_plan=plan, annotations=common_pb2.Annotations(values=PATIENT)),
        )
        await _patiently(lambda: self._admin.CreateExecution(request, timeout=CALL_SECONDS), {"ALREADY_EXISTS"})

    async def _act(self, run: Run) -> None:
        await run.created.wait()
        try:
            await self._signal(run)
            await self._abort(run)
        except grpc.aio.AioRpcError as e:
            run.trouble = f"{e.code().name}: {e.details()}"

    async def _signal(self, run: Run) -> None:
        for name, value in run.kind.signals.items():
            signal_id = identifier_pb2.SignalIdentifier(signal_id=name, execution_id=_execution_id(run.name))
            request = signal_pb2.SignalSetRequest(id=signal_id, value=value)
            while await self._set(request) == "INVALID_ARGUMENT":  # noqa: ASYNC110  The gate is not there yet.
                await asyncio.sleep(POLL_SECONDS)

    async def _abort(self, run: Run) -> None:
        if not run.kind.aborted:
            return
        await asyncio.sleep(run.abort_after)
        abort = execution_pb2.ExecutionTerminateRequest(id=_execution_id(run.name), cause="the fault suite says so")
        answer = await _patiently(
            lambda: self._admin.TerminateExecution(abort, timeout=CALL_SECONDS), {"FAILED_PRECONDITION"}
        )
        run.late = answer == "FAILED_PRECONDITION"

    async def _set(self, request: signal_pb2.SignalSetRequest) -> str:
        return await _patiently(lambda: self._signals.SetSignal(request, timeout=CALL_SECONDS), {"INVALID_ARGUMENT"})


def _execution_id(name: str) -> identifier_pb2.WorkflowExecutionIdentifier:
    return identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)


async def _patiently(call: Callable[[], Awaitable[Any]], expected: set[str]) -> str:
    """Call until it is answered; return the name of an expected refusal, or nothing."""
    while True:
        try:
            await call()
        except grpc.aio.AioRpcError as e:
            if e.code().name in expected:
                return e.code().name
            if e.code() not in PASSING:
                raise
            await asyncio.sleep(POLL_SECONDS)
        else:
            return ""


def chosen(kinds: Sequence[Kind], count: int, dice: random.Random, prefix: str) -> list[Run]:
    """Return ``count`` runs of random kinds."""
    picked = dice.choices(kinds, [kind.weight for kind in kinds], k=count)
    return [
        Run(f"{prefix}{number:05d}", kind, abort_after=dice.uniform(0, kind.aborted))
        for number, kind in enumerate(picked)
    ]
