"""No list, filter or sort of a stock client, and no query of the sweeper, reads a whole table of executions.

The statements are those that admin runs; Postgres explains them over tables with many rows. Tables of registered
entities may be read whole: they are small.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import common_pb2, node_execution_pb2, task_execution_pb2
from flyteidl.core import identifier_pb2
from flyteidl.event import event_pb2
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from flytetemporal import errors
from flytetemporal.admin.base import models
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.concurrency import places
from flytetemporal.admin.concurrency.limits import Scope
from flytetemporal.admin.control import sweep_ended, sweep_pending
from flytetemporal.admin.control.findings import Findings
from flytetemporal.admin.control.sweeper import MIN_AGE
from flytetemporal.admin.events import batches, event_rows
from flytetemporal.admin.executions import node_executions, task_executions, workflow_executions
from flytetemporal.admin.schedules import pausing
from flytetemporal.config.admin import AdminSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.config.storage import StorageSettings
from flytetemporal.contracts.v1 import events_pb2
from flytetemporal.db import session
from flytetemporal.idl import phases
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.engine import RecordingEngine, RecordingSchedules
from tests.fixtures.query_plans import Selects, seeded_database
from tests.fixtures.registrations import DOMAIN, PROJECT, listing

LARGE = {"executions", "node_executions", "task_executions", "execution_tags", "signals"}
EXECUTIONS = 200_000
BUSY = "e7"  # An execution with 10,000 nodes.
PARENT = identifier_pb2.TaskExecutionIdentifier(
    task_id=identifier_pb2.Identifier(resource_type="TASK", project=PROJECT, domain=DOMAIN, name="t", version="v1"),
    node_execution_id=identifier_pb2.NodeExecutionIdentifier(
        node_id="n5",
        execution_id=identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=BUSY),
    ),
)
# Three projects; one execution in a hundred failed, one in ten thousand is open; 500 users, workflows and versions.
SEED = (
    f"""
    INSERT INTO workflows (project, domain, name, version, digest, typed_interface, remote_closure_identifier,
        short_description, graph, task_templates)
    SELECT '{PROJECT}', '{DOMAIN}', 'w' || n / 10, 'v' || n % 10, 'd', '', '', '', '', '' FROM generate_series(1, 500) n
    """,
    f"""
    INSERT INTO launch_plans (project, domain, name, version, digest, spec, closure, workflow_id, state, schedule_type)
    SELECT '{PROJECT}', '{DOMAIN}', 'w' || n / 10, 'v' || n % 10, 'd', '', '', n, 0, 'NONE'
    FROM generate_series(1, 500) n
    """,
    f"""
    INSERT INTO tasks (project, domain, name, version, digest, closure, type, short_description)
    SELECT '{PROJECT}', '{DOMAIN}', 't' || n / 10, 'v' || n % 10, 'd', '', 'python-task', ''
    FROM generate_series(1, 500) n
    """,
    f"""
    INSERT INTO executions (execution_project, execution_domain, execution_name, launch_plan_id, workflow_id, task_id,
        phase, closure, spec, started_at, execution_created_at, execution_updated_at, duration, abort_cause, mode,
        source_execution_id, parent_node_execution_id, cluster, inputs_uri, user_inputs_uri, "user", state,
        launch_entity, engine_input, created_at, updated_at)
    SELECT CASE n % 3 WHEN 0 THEN 'other' WHEN 1 THEN 'third' ELSE '{PROJECT}' END, '{DOMAIN}', 'e' || n, n % 500 + 1,
        n % 500 + 1, CASE WHEN n % 5 = 0 THEN n % 500 + 1 ELSE 0 END,
        CASE WHEN n % 10000 = 5 THEN 'RUNNING' WHEN n % 20000 = 8 THEN 'UNDEFINED' WHEN n % 20000 = 11 THEN 'ABORTING'
            WHEN n % 100 = 0 THEN 'FAILED' ELSE 'SUCCEEDED' END,
        '', '', at, at, at, n % 1000 * interval '1 s', '', n % 3, CASE WHEN n % 7 = 0 THEN n / 7 ELSE 0 END,
        CASE WHEN n % 7 = 0 THEN n / 7 ELSE 0 END, 'local', '', '', 'user' || n % 500, n % 50 / 49, 'launch_plan',
        ''::bytea, at, at
    FROM (SELECT n, now() - n * interval '1 s' AS at FROM generate_series({EXECUTIONS}, 1, -1) n) AS numbers
    """,
    """
    INSERT INTO execution_tags (execution_project, execution_domain, execution_name, key, value)
    SELECT execution_project, execution_domain, execution_name, 'team', 'team' || id % 300 FROM executions
    UNION ALL SELECT execution_project, execution_domain, execution_name, 'tag' || id % 300, '' FROM executions
    UNION ALL SELECT execution_project, execution_domain, execution_name, 'eager-exec', 'e' || id / 2 FROM executions
    WHERE id % 50 = 0
    """,
    f"""
    INSERT INTO node_executions (execution_project, execution_domain, execution_name, node_id, phase, input_uri,
        closure, node_execution_metadata, parent_node_id, parent_task_execution,
        dynamic_workflow_remote_closure_reference, event_version)
    SELECT '{PROJECT}', '{DOMAIN}', CASE WHEN n <= 10000 THEN '{BUSY}' ELSE 'e' || n / 5 END, 'n' || n, 'SUCCEEDED', '',
        '', '', CASE WHEN n % 4 = 3 THEN 'n' || n - 1 ELSE '' END, NULL, '', 1
    FROM generate_series(1, {EXECUTIONS}) n
    """,
    f"""
    INSERT INTO task_executions (execution_project, execution_domain, execution_name, node_id, project, domain, name,
        version, retry_attempt, phase, phase_version, input_uri, closure)
    SELECT execution_project, execution_domain, execution_name, node_id, '{PROJECT}', '{DOMAIN}', 't', 'v1', 0,
        'SUCCEEDED', 0, '', '' FROM node_executions
    """,
    f"""
    INSERT INTO signals (execution_project, execution_domain, execution_name, signal_id, type, undelivered)
    SELECT '{PROJECT}', '{DOMAIN}', 'e' || n, 's', '', n % 10000 = 7 FROM generate_series(1, 50000) n
    """,
    "VACUUM ANALYZE",
)


@pytest.fixture(scope="module")
def seeded(migrated: URL) -> Iterator[DatabaseSettings]:
    """Return the settings of a database with many executions."""
    with seeded_database(migrated, SEED) as settings:
        yield settings


class Plans(Selects):
    """Admin over the seeded database, and what its statements read."""

    def __init__(self, deps: Dependencies, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.deps = deps

    async def read_whole(self) -> set[str]:
        """Return the tables of which a statement reads every row, in any order."""
        found: set[str] = set()
        return found.union(*(_scanned(plan) for plan in await self.plans()))


def _scanned(plan: dict[str, Any]) -> set[str]:
    found = {plan["Relation Name"]} if plan["Node Type"] == "Seq Scan" else set()
    for part in plan.get("Plans", ()):
        found |= _scanned(part)
    return found & LARGE


@pytest.fixture
async def plans(seeded: DatabaseSettings, tmp_path: Path) -> AsyncIterator[Plans]:
    engine, sessions = session.open(seeded)
    deps = Dependencies(
        sessions=sessions,
        blobs=BlobStore(str(tmp_path)),
        engine=RecordingEngine(),
        schedules=RecordingSchedules(),
        settings=AdminSettings(),
        storage=StorageSettings(),
    )
    yield Plans(deps, engine)
    await engine.dispose()


@pytest.mark.parametrize("key", ["", "created_at"])
@pytest.mark.parametrize(
    "filters",
    [
        "",
        "eq(phase,FAILED)",
        "eq(phase,RUNNING)",
        "value_in(phase,RUNNING;QUEUED)",
        "value_in(phase,SUCCEEDED;FAILED)",
        "eq(state,1)",
        "eq(state,0)",
        "eq(workflow.name,w7)",
        "eq(workflow.name,none)",
        "eq(workflow.name,w7)+eq(workflow.version,v3)",
        "eq(workflow.project,flytesnacks)+eq(workflow.domain,development)+eq(workflow.name,w7)",
        "eq(launch_plan.name,w7)",
        "eq(launch_plan.name,none)",
        "eq(task.name,t7)",
        "eq(task.name,none)",
        "eq(user,user7)",
        "eq(user,none)",
        "eq(execution_tag.key,team)+eq(execution_tag.value,team7)",
        "eq(execution_tag.key,team)+eq(execution_tag.value,none)",
        "value_in(admin_tag.name,tag7;tag8)",
        "eq(admin_tag.name,none)",
        "gte(started_at,2999-01-01T00:00:00Z)",
        "gte(created_at,2999-01-01T00:00:00Z)",
        "gte(duration,2000)",
        "eq(parent_node_execution_id,0)",
        "eq(mode,1)",
    ],
)
async def test_a_list_of_executions_does_not_read_all_of_them(plans: Plans, filters: str, key: str) -> None:
    request = listing(filters=filters, sort_by=common_pb2.Sort(key=key))

    with plans.watched():
        await workflow_executions.list_executions(plans.deps, request)

    assert await plans.read_whole() == set()


@pytest.mark.parametrize("direction", ["ASCENDING", "DESCENDING"])
@pytest.mark.parametrize("key", ["created_at", "execution_created_at", "started_at", "duration"])
async def test_executions_are_sorted_by_an_index(plans: Plans, key: str, direction: str) -> None:
    request = listing(sort_by=common_pb2.Sort(key=key, direction=direction))

    with plans.watched():
        await workflow_executions.list_executions(plans.deps, request)

    assert await plans.read_whole() == set()


@pytest.mark.parametrize("key", ["", "created_at"])
@pytest.mark.parametrize("parent", ["", "n2"])
async def test_a_list_of_nodes_does_not_read_those_of_other_executions(plans: Plans, parent: str, key: str) -> None:
    request = node_execution_pb2.NodeExecutionListRequest(
        workflow_execution_id=PARENT.node_execution_id.execution_id,
        unique_parent_id=parent,
        limit=100,
        sort_by=common_pb2.Sort(key=key, direction=common_pb2.Sort.ASCENDING),
    )

    with plans.watched():
        await node_executions.list_node_executions(plans.deps, request)

    assert await plans.read_whole() == set()


async def test_the_attempts_of_a_node_do_not_cost_its_siblings(plans: Plans) -> None:
    with plans.watched():
        await task_executions.get(plans.deps, task_execution_pb2.TaskExecutionGetRequest(id=PARENT))
        await task_executions.list_task_executions(
            plans.deps,
            task_execution_pb2.TaskExecutionListRequest(node_execution_id=PARENT.node_execution_id, limit=100),
        )
        await node_executions.list_for_task(
            plans.deps, node_execution_pb2.NodeExecutionForTaskListRequest(task_execution_id=PARENT, limit=100)
        )

    assert await plans.read_whole() == set()
    async with plans.deps.sessions() as opened:
        query = text("EXPLAIN SELECT 1 FROM node_executions WHERE parent_task_execution = :key")
        explained = await opened.execute(query, {"key": event_rows.parent_task_key(PARENT)})
    assert "ix_node_executions_parent_task" in "".join(explained.scalars())


async def test_the_sweeper_reads_open_executions_only(plans: Plans) -> None:
    deps, findings = replace(plans.deps, engine=RecordingEngine()), Findings()
    deps.engine.down = True  # type: ignore[attr-defined]  # So nothing is changed.

    with plans.watched():
        for part in (
            sweep_pending.start_recorded(deps, findings, MIN_AGE),
            sweep_pending.deliver_aborts(deps, findings, MIN_AGE),
            sweep_pending.deliver_signals(deps, findings),
            sweep_ended.close_ended(deps, findings, 0),
            sweep_ended.abort_orphans(deps, findings),
        ):
            with contextlib.suppress(errors.Unavailable):
                await part
        await sweep_ended._terminal(deps, [(PROJECT, DOMAIN, f"e{number}") for number in range(500)])

    assert await plans.read_whole() == set()


async def test_places_and_failures_of_a_launch_plan_do_not_cost_other_executions(plans: Plans) -> None:
    scope, execution_id = Scope(PROJECT, DOMAIN, "w7"), PARENT.node_execution_id.execution_id
    plan = models.LaunchPlanRow(project=PROJECT, domain=DOMAIN, name="w7", version="v1")

    with plans.watched():
        async with plans.deps.sessions() as opened:
            await places.count_running(opened, scope, or_aborting=True)
            await places.running(opened, replace(scope, scheduled=True))
            await places.next_ones(opened, scope)
            await places.scopes_after(opened, [execution_id])
            await places.above(opened, 7)
            await pausing._failed_since(opened, plan, datetime.now(UTC))
        await pausing.after_ends(plans.deps, [execution_id])

    assert await plans.read_whole() == set()


async def test_events_of_several_runs_read_only_the_rows_of_their_nodes(plans: Plans) -> None:
    def ended(name: str) -> events_pb2.RecordEventsRequest:
        node = event_pb2.NodeExecutionEvent(phase=phases.N.RUNNING, event_version=1)
        node.id.node_id = "n5"
        node.id.execution_id.CopyFrom(
            identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name)
        )
        node.occurred_at.GetCurrentTime()
        task = event_pb2.TaskExecutionEvent(
            task_id=PARENT.task_id,
            parent_node_execution_id=node.id,
            phase=phases.T.RUNNING,
            occurred_at=node.occurred_at,
        )
        end = event_pb2.WorkflowExecutionEvent(
            execution_id=node.id.execution_id, phase=phases.W.FAILED, occurred_at=node.occurred_at
        )
        events = [events_pb2.Event(node=node), events_pb2.Event(task=task), events_pb2.Event(workflow=end)]
        return events_pb2.RecordEventsRequest(events=events)

    with plans.watched():
        names = [f"e{number}" for number in range(2003, 2063, 3)]
        await asyncio.gather(*(batches.record_events(plans.deps, ended(name)) for name in names))

    assert await plans.read_whole() == set()


@pytest.mark.parametrize("column", ["spec", "closure"])
async def test_serialized_messages_are_no_columns_to_filter_or_sort_by(plans: Plans, column: str) -> None:
    for request in (listing(filters=f"eq({column},x)"), listing(sort_by=common_pb2.Sort(key=column))):
        with pytest.raises(errors.InvalidRequest, match=rf"'e.{column}' is invalid filter|invalid sort key '{column}'"):
            await workflow_executions.list_executions(plans.deps, request)


def test_the_names_of_ended_phases_are_those_of_the_events() -> None:
    assert set(models.TERMINAL) == {phases.W.Phase.Name(phase) for phase in phases.WORKFLOW_TERMINAL}
