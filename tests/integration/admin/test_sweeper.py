"""Rows and workflows that disagree are brought together again, on a real Temporal server and a real database."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flyteidl.admin import execution_pb2, signal_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio.client import Client, WorkflowExecutionStatus

from flytetemporal.admin.base.models import ExecutionRow, ExecutionTagRow
from flytetemporal.admin.control import sweep_ended, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.control.sweeper import NAME, Sweeper
from flytetemporal.admin.executions import signals, workflow_executions
from flytetemporal.admin.upkeep import records
from flytetemporal.config.admin import AdminSettings
from flytetemporal.contracts import workflows
from flytetemporal.contracts.v1 import execution_pb2 as contract_pb2
from flytetemporal.idl import identifiers, naming
from tests.fixtures.installation import Installation
from tests.fixtures.registrations import INT, integer
from tests.fixtures.waiting import HANG_SECONDS

W, N = core_execution_pb2.WorkflowExecution, core_execution_pb2.NodeExecution


async def test_an_execution_that_was_never_started_is_started(installation: Installation) -> None:
    execution_id = await installation.record("succeeds", "UNDEFINED")

    assert await installation.sweep() == {"never_started": 1}
    assert await installation.sweep() == {}

    async with installation.worker():
        assert await installation.ended(execution_id) == WorkflowExecutionStatus.COMPLETED


async def test_an_end_that_was_not_reported_is_recorded(installation: Installation) -> None:
    async with installation.worker():
        succeeded, failed = await installation.run("succeeds"), await installation.run("fails", "UNDEFINED")
        await installation.report_node(succeeded)
        for execution_id in (succeeded, failed):
            await installation.ended(execution_id)

    assert await installation.sweep() == {"ended_unreported": 2}

    one, other = await installation.closure(succeeded), await installation.closure(failed)
    assert (one.phase, one.outputs.uri) == (W.SUCCEEDED, "memory://out")
    assert (other.phase, other.error.code, other.error.message) == (W.FAILED, "USER:Boom", "it broke")
    assert await installation.node_phase(succeeded) == "ABORTED"
    assert await installation.sweep() == {}


async def test_a_workflow_ended_by_hand_ends_its_execution(installation: Installation) -> None:
    terminated = await installation.run("waits")
    await installation.report_node(terminated)
    await installation.deps.engine.terminate(terminated, "somebody was bored")

    assert await installation.sweep() == {"ended_unreported": 1}

    closure = await installation.closure(terminated)
    assert closure.phase == W.ABORTED
    assert closure.abort_metadata.cause == "The workflow was terminated in Temporal: somebody was bored"
    assert await installation.node_phase(terminated) == "ABORTED"


async def test_a_workflow_that_temporal_lost_has_failed(installation: Installation) -> None:
    lost = await installation.record("waits", "RUNNING")

    assert await installation.sweep() == {"ended_unreported": 1}

    closure = await installation.closure(lost)
    assert (closure.phase, closure.error.code) == (W.FAILED, "WorkflowNotFound")


async def test_an_execution_that_runs_is_left_alone(installation: Installation) -> None:
    running = await installation.run("waits")

    assert await installation.sweep() == {}
    assert (await installation.closure(running)).phase == W.RUNNING


async def test_an_abort_is_recorded_although_no_worker_is_there(installation: Installation) -> None:
    execution_id = await installation.run("waits")
    await workflow_executions.terminate(
        installation.deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="enough")
    )

    assert await installation.sweep() == {"abort_without_worker": 1}

    closure = await installation.closure(execution_id)
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTED, "enough")
    assert await installation.ended(execution_id) == WorkflowExecutionStatus.TERMINATED


async def test_an_abort_that_workers_carry_out_is_left_to_them(installation: Installation) -> None:
    async with installation.worker():
        execution_id = await installation.run("waits")
        await asyncio.sleep(0.5)  # The worker has polled.
        installation.deps = replace(installation.deps, settings=AdminSettings(abort_grace=timedelta(0)))
        await workflow_executions.terminate(
            installation.deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="enough")
        )
        assert await installation.ended(execution_id) == WorkflowExecutionStatus.CANCELED

    findings = await installation.sweep()

    assert "abort_without_worker" not in findings
    closure = await installation.closure(execution_id)
    assert (closure.phase, closure.abort_metadata.cause) == (W.ABORTED, "enough")


async def test_an_abort_whose_clean_up_hangs_is_ended_by_force(
    sessions: async_sessionmaker[AsyncSession], temporal: Client, tmp_path: Path
) -> None:
    installation = Installation(sessions, temporal, tmp_path)
    installation.deps = replace(installation.deps, settings=AdminSettings(abort_limit=timedelta(0)))
    installation.sweeper = Sweeper(installation.deps)
    execution_id = await installation.run("waits")
    await workflow_executions.terminate(
        installation.deps, execution_pb2.ExecutionTerminateRequest(id=execution_id, cause="enough")
    )

    assert await installation.sweep() == {"abort_unfinished": 1}
    assert (await installation.closure(execution_id)).phase == W.ABORTED


async def test_a_workflow_that_was_reset_after_its_end_is_ended(installation: Installation) -> None:
    over, running = await installation.run("waits", "SUCCEEDED"), await installation.run("waits", "RUNNING")

    async with asyncio.timeout(HANG_SECONDS):
        # Temporal's list is a moment late.
        while await installation.sweep() != {"running_after_end": 1}:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    assert await installation.ended(over) == WorkflowExecutionStatus.TERMINATED
    assert await installation.deps.engine.ended(running) is None


async def test_children_of_an_ended_parent_are_aborted(installation: Installation) -> None:
    parent = await installation.record("waits", "FAILED")
    async with installation.deps.sessions() as session:
        query = text("select id from executions where execution_name = :name")
        number = (await session.execute(query, {"name": parent.name})).scalar_one()
    child = await installation.record("waits", "RUNNING", source_execution_id=number, parent_node_execution_id=1)
    relaunched = await installation.record("waits", "UNDEFINED", source_execution_id=number)

    findings = await installation.sweep()

    assert findings["parent_ended"] == 1
    closure = await installation.closure(child)
    assert closure.phase == W.ABORTED
    assert closure.abort_metadata.cause == f"cascading abort as parent execution id [{parent.name}] has ended"
    assert (await installation.closure(relaunched)).phase == W.UNDEFINED


async def test_what_a_failed_eager_workflow_launched_is_aborted(installation: Installation) -> None:
    failed, succeeded = [await installation.record("waits", phase) for phase in ("FAILED", "SUCCEEDED")]
    orphan, left = [await installation.record("waits", "RUNNING") for _ in range(2)]
    async with installation.deps.sessions.begin() as session:
        for parent, child in ((failed, orphan), (succeeded, left)):
            project, domain, name = identifiers.execution_key(child)
            session.add(
                ExecutionTagRow(
                    execution_project=project,
                    execution_domain=domain,
                    execution_name=name,
                    key="eager-exec",
                    value=parent.name,
                )
            )

    await sweep_ended.abort_orphans(installation.deps, Findings())

    assert (await installation.closure(orphan)).phase in (W.ABORTING, W.ABORTED)
    assert (await installation.closure(left)).phase == W.RUNNING


async def test_an_undelivered_signal_is_delivered(installation: Installation) -> None:
    execution_id = await installation.run("waits")
    identifier = identifier_pb2.SignalIdentifier(signal_id="done", execution_id=execution_id)
    request = signal_pb2.SignalGetOrCreateRequest(id=identifier, type=INT)
    await signals.get_or_create(installation.deps, request)
    async with installation.deps.sessions.begin() as session:
        await session.execute(
            text("update signals set value = :value, undelivered = true, updated_at = now() - interval '1 minute'"),
            {"value": integer(1).SerializeToString()},
        )

    assert (await installation.sweep())["signal_undelivered"] == 1
    assert "signal_undelivered" not in await installation.sweep()

    async with installation.worker():
        assert await installation.ended(execution_id) == WorkflowExecutionStatus.COMPLETED


async def test_one_part_that_fails_leaves_the_others_their_turn(installation: Installation) -> None:
    execution_id = await installation.record("succeeds", "UNDEFINED")
    async with installation.deps.sessions.begin() as session:
        await session.execute(text("alter table signals rename to elsewhere"))

    found = await installation.sweeper.sweep()
    assert found.counts == {"never_started": 1}
    assert "deliver_signals" in found.error
    assert await installation.deps.engine.ended(execution_id) is None


async def test_a_parent_is_notified_of_a_child_that_the_sweeper_closed(installation: Installation) -> None:
    parent = await installation.run("waits")
    spec = execution_pb2.ExecutionSpec()
    spec.metadata.parent_node_execution.execution_id.CopyFrom(parent)
    child = await installation.record("waits", "RUNNING", spec)

    assert await installation.sweep() == {"ended_unreported": 1}

    handle = installation.client.get_workflow_handle(naming.temporal_workflow_id(parent))
    events = (await handle.fetch_history()).events
    signalled = [event.workflow_execution_signaled_event_attributes for event in events]
    (told,) = [one for one in signalled if one.signal_name == workflows.CHILD_ENDED]
    state = contract_pb2.ChildState.FromString(told.input.payloads[0].data)
    assert (state.execution_id, state.outcome.error.code) == (child, "WorkflowNotFound")


async def _poison(installation: Installation, phase: str, engine_input: bytes, project: str, name: str) -> None:
    """Record an execution with a start argument or an id that makes no sense."""
    row = ExecutionRow(
        execution_project=project,
        execution_domain="development",
        execution_name=name,
        phase=phase,
        closure=execution_pb2.ExecutionClosure(phase=phase).SerializeToString(),
        spec=b"",
        engine_input=engine_input,
        cluster=installation.cluster,
    )
    async with installation.deps.sessions.begin() as session:
        session.add(row)


async def _phase(installation: Installation, name: str) -> str:
    query = text("select phase from executions where execution_name = :name")
    async with installation.deps.sessions() as session:
        return str((await session.execute(query, {"name": name})).scalar_one())


async def test_bad_rows_do_not_stop_the_pages_behind_them(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_pending, "PAGE", 2)
    monkeypatch.setattr(sweep_ended, "PAGE", 2)
    # Temporal takes workflow ids of 1,000 bytes.
    long = "\u6f22" * 250
    await _poison(installation, "UNDEFINED", b"\xff", "flytesnacks", "damaged")
    refused = identifier_pb2.WorkflowExecutionIdentifier(project=long, domain="development", name=f"{long}r")
    argument = installation.argument(refused, "succeeds").SerializeToString()
    await _poison(installation, "UNDEFINED", argument, long, refused.name)
    await _poison(installation, "ABORTING", b"", long, f"{long}a")
    await _poison(installation, "RUNNING", b"", long, f"{long}b")
    async with installation.deps.sessions.begin() as session:
        damage = text("update executions set closure = :closure where execution_name = :name")
        await session.execute(damage, {"closure": b"\xff", "name": f"{long}b"})
    behind = [await installation.record("succeeds", "UNDEFINED") for _ in range(3)]
    lost = [await installation.record("waits", "RUNNING") for _ in range(3)]

    await records.announce(installation.deps.sessions, {NAME: timedelta(seconds=10)})
    for _ in range(6):
        await installation.sweeper.sweep()

    for execution_id in behind:
        assert await installation.deps.engine.ended(execution_id) is None
    assert [(await installation.closure(execution_id)).error.code for execution_id in lost] == ["WorkflowNotFound"] * 3
    assert [await _phase(installation, name) for name in ("damaged", refused.name, f"{long}a")] == [
        "FAILED",
        "FAILED",
        "ABORTED",
    ]


async def _tag(installation: Installation, parent: str, child: identifier_pb2.WorkflowExecutionIdentifier) -> None:
    project, domain, name = identifiers.execution_key(child)
    async with installation.deps.sessions.begin() as session:
        session.add(
            ExecutionTagRow(
                execution_project=project, execution_domain=domain, execution_name=name, key="eager-exec", value=parent
            )
        )


async def test_an_abort_reaches_what_an_eager_workflow_launched_at_once(installation: Installation) -> None:
    parent, child, grandchild, other = [await installation.run("waits") for _ in range(4)]
    await _tag(installation, parent.name, child)
    await _tag(installation, child.name, grandchild)

    await workflow_executions.terminate(
        installation.deps, execution_pb2.ExecutionTerminateRequest(id=parent, cause="enough")
    )

    for execution_id in (child, grandchild):
        closure = await installation.closure(execution_id)
        assert closure.phase == W.ABORTING
        assert "cascading abort as parent execution id" in closure.abort_metadata.cause
    assert (await installation.closure(other)).phase == W.RUNNING


async def test_the_sweeper_aborts_children_of_an_aborted_parent_without_delay(installation: Installation) -> None:
    installation.deps = replace(installation.deps, settings=AdminSettings())
    parents = {phase: await installation.record("waits", phase) for phase in ("ABORTING", "ABORTED", "FAILED")}
    children = {phase: await installation.record("waits", "RUNNING") for phase in parents}
    for phase, parent in parents.items():
        await _tag(installation, parent.name, children[phase])
    async with installation.deps.sessions() as session:
        query = text("select id from executions where execution_name = :name")
        number = (await session.execute(query, {"name": parents["ABORTED"].name})).scalar_one()
    launched = await installation.record("waits", "RUNNING", source_execution_id=number, parent_node_execution_id=1)

    await sweep_ended.abort_orphans(installation.deps, Findings())

    for child in (children["ABORTING"], children["ABORTED"], launched):
        assert (await installation.closure(child)).phase in (W.ABORTING, W.ABORTED)
    assert (await installation.closure(children["FAILED"])).phase == W.RUNNING
