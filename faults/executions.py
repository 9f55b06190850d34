"""Launch executions, do to them what people do, and wait until all have ended. Failed calls are repeated."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import psycopg
from flyteidl.admin import common_pb2, execution_pb2, signal_pb2
from flyteidl.core import identifier_pb2, literals_pb2
from flyteidl.service import admin_pb2_grpc, signal_pb2_grpc

from faults.kinds import Kind, integer, text

PROJECT, DOMAIN = "flytesnacks", "development"
PASSING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
# Fork servers die more often than Flyte's three system retries allow for.
PATIENT = {"flytetemporal.io/retry": "[{cause: SYSTEM, retries: 100}]"}
POLL_SECONDS = 0.5
CALL_SECONDS = 20.0
OPEN = "phase in ('UNDEFINED', 'QUEUED', 'RUNNING', 'SUCCEEDING', 'FAILING', 'ABORTING')"


@dataclass
class Run:
    """One execution of the suite. ``late``: the abort came after the end."""

    name: str
    kind: Kind
    abort_after: float = 0.0
    late: bool = False


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

    async def run_all(self, runs: Sequence[Run], concurrency: int, settle_seconds: float) -> list[str]:
        """Launch all, ``concurrency`` open at once; return the names of those that have not ended in time."""
        ended = asyncio.Event()
        waiting = {run.name: asyncio.get_running_loop().create_future() for run in runs}
        slots = asyncio.Semaphore(concurrency)

        async def one(run: Run) -> None:
            async with slots:
                await self._launch(run)
                acting = asyncio.create_task(self._act(run))
                try:
                    await asyncio.wait_for(waiting[run.name], settle_seconds)
                finally:
                    acting.cancel()

        watching = asyncio.create_task(self._watch(waiting, ended))
        results = await asyncio.gather(*(one(run) for run in runs), return_exceptions=True)
        ended.set()
        await watching
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, TimeoutError):
                raise result
        return [run.name for run, result in zip(runs, results, strict=True) if result is not None]

    async def _watch(self, waiting: dict[str, "asyncio.Future[None]"], ended: asyncio.Event) -> None:
        while not ended.is_set():
            for name in await self.query(f"select execution_name from executions where not {OPEN}"):
                future = waiting.get(name[0])
                if future is not None and not future.done():
                    future.set_result(None)
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
        execution_id = identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=run.name)
        for name, value in run.kind.signals.items():
            request = signal_pb2.SignalSetRequest(
                id=identifier_pb2.SignalIdentifier(signal_id=name, execution_id=execution_id), value=value
            )
            while await self._set(request) == "INVALID_ARGUMENT":  # noqa: ASYNC110  The gate is not there yet.
                await asyncio.sleep(POLL_SECONDS)
        if run.kind.aborted:
            await asyncio.sleep(run.abort_after)
            abort = execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="the fault suite says so")
            answer = await _patiently(
                lambda: self._admin.TerminateExecution(abort, timeout=CALL_SECONDS), {"FAILED_PRECONDITION"}
            )
            run.late = answer == "FAILED_PRECONDITION"

    async def _set(self, request: signal_pb2.SignalSetRequest) -> str:
        return await _patiently(lambda: self._signals.SetSignal(request, timeout=CALL_SECONDS), {"INVALID_ARGUMENT"})


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
        Run(f"{prefix}{number:05d}", kind, abort_after=dice.uniform(0, 6) if kind.aborted else 0.0)
        for number, kind in enumerate(picked)
    ]
