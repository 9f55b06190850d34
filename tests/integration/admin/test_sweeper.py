"""Rows and workflows that disagree are brought together again, on a real Temporal server and a real database."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flyteidl.admin import execution_pb2, signal_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from flytetemporal.admin import event_batches, executions
from flytetemporal.admin.dependencies import Dependencies
from flytetemporal.admin.engine import Engine
from flytetemporal.admin.models import ExecutionRow
from flytetemporal.admin.signals import SignalService
from flytetemporal.admin.sweeper import SweeperActivities
from flytetemporal.config import AdminSettings, StorageSettings
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import control_pb2, events_pb2
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import naming, times
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.registrations import DOMAIN, INT, PROJECT, integer

W, N = core_execution_pb2.WorkflowExecution, core_execution_pb2.NodeExecution
SETTINGS = AdminSettings(abort_grace=timedelta(0), close_grace=timedelta(0))


@workflow.defn(name=workflows.EXECUTION_WORKFLOW, sandboxed=False)
class Scripted:
    """Does what the name of its Flyte workflow says."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    @workflow.signal(name=workflows.SIGNAL_SET)
    def signal_set(self, signal_id: str) -> None:
        self.signals.append(signal_id)

    @workflow.run
    async def run(self, argument: contract_pb2.ExecutionInput) -> contract_pb2.ExecutionOutcome:
        match argument.workflow_id.name:
            case "succeeds":
                return contract_pb2.ExecutionOutcome(phase=W.SUCCEEDED, output_uri="memory://out")
            case "fails":
                raise ApplicationError("it broke", type="USER:Boom", non_retryable=True)
            case _:
                await workflow.wait_condition(lambda: "done" in self.signals)
                return contract_pb2.ExecutionOutcome(phase=W.SUCCEEDED)


class Bench:
    """Admin's side of an installation: rows, an engine, one sweeper."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], client: Client, folder: Path) -> None:
        self.client = client
        self.cluster = uuid.uuid4().hex[:8]
        self.deps = Dependencies(
            sessions=sessions,
            blobs=BlobStore(str(folder)),
            engine=Engine(client, self.cluster),
            settings=SETTINGS,
            storage=StorageSettings(),
        )
        self.sweeper = SweeperActivities(self.deps)

    def identifier(self) -> identifier_pb2.WorkflowExecutionIdentifier:
        return identifier_pb2.WorkflowExecutionIdentifier(
            project=PROJECT, domain=DOMAIN, name=f"a{uuid.uuid4().hex[:19]}"
        )

    async def record(
        self, script: str, phase: str = "RUNNING", **columns: object
    ) -> identifier_pb2.WorkflowExecutionIdentifier:
        """Record an execution without starting it."""
        execution_id = self.identifier()
        argument = self.argument(execution_id, script)
        closure = execution_pb2.ExecutionClosure(phase=phase)
        row = ExecutionRow(
            execution_project=PROJECT,
            execution_domain=DOMAIN,
            execution_name=execution_id.name,
            phase=phase,
            closure=closure.SerializeToString(),
            spec=execution_pb2.ExecutionSpec().SerializeToString(),
            engine_input=argument.SerializeToString(),
            cluster=self.cluster,
            **columns,
        )
        async with self.deps.sessions.begin() as session:
            session.add(row)
        return execution_id

    async def run(self, script: str, phase: str = "RUNNING") -> identifier_pb2.WorkflowExecutionIdentifier:
        """Record an execution and start its workflow."""
        execution_id = await self.record(script, phase)
        await self.deps.engine.start(self.argument(execution_id, script))
        return execution_id

    def argument(
        self, execution_id: identifier_pb2.WorkflowExecutionIdentifier, script: str
    ) -> contract_pb2.ExecutionInput:
        return contract_pb2.ExecutionInput(
            execution_id=execution_id,
            workflow_id=identifier_pb2.Identifier(name=script),
            inline_graph=b"graph",
            settings=contract_pb2.ExecutionSettings(cluster=self.cluster),
        )

    async def report_node(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> None:
        event = event_pb2.NodeExecutionEvent(
            id=identifier_pb2.NodeExecutionIdentifier(node_id="n0", execution_id=execution_id),
            phase=N.RUNNING,
            occurred_at=times.timestamp(datetime.now(UTC)),
        )
        request = events_pb2.RecordEventsRequest(events=[events_pb2.Event(node=event)])
        await event_batches.record_events(self.deps, request)

    async def node_phase(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> str:
        query = text("select phase from node_executions where execution_name = :name")
        async with self.deps.sessions() as session:
            return str((await session.execute(query, {"name": execution_id.name})).scalar_one())

    async def ended(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> WorkflowExecutionStatus:
        """Return how the workflow ended, once it has."""
        handle = self.client.get_workflow_handle(naming.temporal_workflow_id(execution_id))
        async with asyncio.timeout(20):
            while True:
                found = await handle.describe()
                if found.close_time is not None and found.status is not None:
                    return found.status
                await asyncio.sleep(0.05)

    async def closure(self, execution_id: identifier_pb2.WorkflowExecutionIdentifier) -> execution_pb2.ExecutionClosure:
        found = await executions.get(self.deps, execution_pb2.WorkflowExecutionGetRequest(id=execution_id))
        return found.closure

    async def sweep(self) -> dict[str, int]:
        return dict((await self.sweeper.sweep(control_pb2.SweepState())).findings)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        async with Worker(
            self.client,
            task_queue=workflows.engine_queue(self.cluster),
            workflows=[Scripted],
            workflow_runner=UnsandboxedWorkflowRunner(),
        ):
            yield


@pytest.fixture
def bench(sessions: async_sessionmaker[AsyncSession], temporal: Client, tmp_path: Path) -> Bench:
    return Bench(sessions, temporal, tmp_path)


async def test_what_was_recorded_and_never_started_is_started(bench: Bench) -> None:
    execution_id = await bench.record("succeeds", "UNDEFINED")

    assert await bench.sweep() == {"never_started": 1}
    assert await bench.sweep() == {}

    async with bench.worker():
        assert await bench.ended(execution_id) == WorkflowExecutionStatus.COMPLETED


async def test_an_end_that_was_not_reported_is_recorded(bench: Bench) -> None:
    async with bench.worker():
        succeeded, failed = await bench.run("succeeds"), await bench.run("fails", "UNDEFINED")
        await bench.report_node(succeeded)
        for execution_id in (succeeded, failed):
            await bench.ended(execution_id)

    assert await bench.sweep() == {"ended_unreported": 2}

    one, other = await bench.closure(succeeded), await bench.closure(failed)
    assert (one.phase, one.outputs.uri) == (W.SUCCEEDED, "memory://out")
    assert (other.phase, other.error.code, other.error.message) == (W.FAILED, "USER:Boom", "it broke")
    assert await bench.node_phase(succeeded) == "ABORTED"
    assert await bench.sweep() == {}


async def test_a_workflow_ended_by_hand_ends_its_execution(bench: Bench) -> None:
    terminated = await bench.run("waits")
    await bench.report_node(terminated)
    await bench.deps.engine.terminate(terminated, "somebody was bored")

    assert await bench.sweep() == {"ended_unreported": 1}

    closure = await bench.closure(terminated)
    assert closure.phase == W.ABORTED
    assert closure.abort_metadata.cause == "The workflow was terminated in Temporal: somebody was bored"
    assert await bench.node_phase(terminated) == "ABORTED"


async def test_a_workflow_that_temporal_lost_has_failed(bench: Bench) -> None:
    lost = await bench.record("waits", "RUNNING")

    assert await bench.sweep() == {"ended_unreported": 1}

    closure = await bench.closure(lost)
    assert (closure.phase, closure.error.code) == (W.FAILED, "WorkflowNotFound")


async def test_an_execution_that_runs_is_left_alone(bench: Bench) -> None:
    running = await bench.run("waits")

    assert await bench.sweep() == {}
    assert (await bench.closure(running)).phase == W.RUNNING


async def test_an_abort_is_recorded_although_no_worker_is_there(bench: Bench) -> None:
    execution_id = await bench.run("waits")
    await executions.terminate(bench.deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="enough"))

    assert await bench.sweep() == {"abort_without_worker": 1}

    closure = await bench.closure(execution_id)
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTED, "enough")
    assert await bench.ended(execution_id) == WorkflowExecutionStatus.TERMINATED


async def test_an_abort_that_workers_carry_out_is_left_to_them(bench: Bench) -> None:
    async with bench.worker():
        execution_id = await bench.run("waits")
        await asyncio.sleep(0.5)  # The worker has polled.
        bench.deps = replace(bench.deps, settings=AdminSettings(abort_grace=timedelta(0)))
        await executions.terminate(bench.deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="enough"))
        assert await bench.ended(execution_id) == WorkflowExecutionStatus.CANCELED

    findings = await bench.sweep()

    assert "abort_without_worker" not in findings
    closure = await bench.closure(execution_id)
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTED, "enough")


async def test_an_abort_whose_clean_up_hangs_is_ended_by_force(
    sessions: async_sessionmaker[AsyncSession], temporal: Client, tmp_path: Path
) -> None:
    bench = Bench(sessions, temporal, tmp_path)
    bench.deps = replace(bench.deps, settings=AdminSettings(abort_limit=timedelta(0)))
    bench.sweeper = SweeperActivities(bench.deps)
    execution_id = await bench.run("waits")
    await executions.terminate(bench.deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="enough"))

    assert await bench.sweep() == {"abort_unfinished": 1}
    assert (await bench.closure(execution_id)).phase == W.ABORTED


async def test_a_workflow_that_was_reset_after_its_end_is_ended(bench: Bench) -> None:
    over, running = await bench.run("waits", "SUCCEEDED"), await bench.run("waits", "RUNNING")

    async with asyncio.timeout(20):
        # Temporal's list is a moment late.
        while await bench.sweep() != {"running_after_end": 1}:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    assert await bench.ended(over) == WorkflowExecutionStatus.TERMINATED
    assert await bench.deps.engine.ended(running) is None


async def test_children_of_an_ended_parent_are_aborted(bench: Bench) -> None:
    parent = await bench.record("waits", "FAILED")
    async with bench.deps.sessions() as session:
        query = text("select id from executions where execution_name = :name")
        number = (await session.execute(query, {"name": parent.name})).scalar_one()
    child = await bench.record("waits", "RUNNING", source_execution_id=number, parent_node_execution_id=1)
    relaunched = await bench.record("waits", "UNDEFINED", source_execution_id=number)

    findings = await bench.sweep()

    assert findings["parent_ended"] == 1
    closure = await bench.closure(child)
    assert closure.phase == W.ABORTED
    assert closure.abort_metadata.cause == f"cascading abort as parent execution id [{parent.name}] has ended"
    assert (await bench.closure(relaunched)).phase == W.UNDEFINED


async def test_a_signal_that_nobody_was_told_of_is_delivered(bench: Bench) -> None:
    execution_id = await bench.run("waits")
    signals = SignalService(bench.deps)
    identifier = identifier_pb2.SignalIdentifier(signal_id="done", execution_id=execution_id)
    await signals.GetOrCreateSignal(signal_pb2.SignalGetOrCreateRequest(id=identifier, type=INT))
    async with bench.deps.sessions.begin() as session:
        await session.execute(
            text("update signals set value = :value, undelivered = true, updated_at = now() - interval '1 minute'"),
            {"value": integer(1).SerializeToString()},
        )

    assert (await bench.sweep())["signal_undelivered"] == 1
    assert "signal_undelivered" not in await bench.sweep()

    async with bench.worker():
        assert await bench.ended(execution_id) == WorkflowExecutionStatus.COMPLETED


async def test_one_part_that_fails_leaves_the_others_their_turn(bench: Bench) -> None:
    execution_id = await bench.record("succeeds", "UNDEFINED")
    async with bench.deps.sessions.begin() as session:
        await session.execute(text("alter table signals rename to elsewhere"))

    assert await bench.sweep() == {"never_started": 1}
    assert await bench.deps.engine.ended(execution_id) is None
