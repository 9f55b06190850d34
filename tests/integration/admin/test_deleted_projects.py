"""A deleted project is gone with everything in it, and nothing that others need is deleted, on real servers."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from flyteidl.admin import execution_pb2, launch_plan_pb2, project_pb2
from flyteidl.core import identifier_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio.client import Client

from flytetemporal import errors
from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.base.models import (
    ExecutionRow,
    LaunchPlanRow,
    MatchableAttributesRow,
    NodeExecutionRow,
    PauseRow,
    TaskRow,
    WorkflowRow,
)
from flytetemporal.admin.deletions import projects as deletions
from flytetemporal.admin.deletions import rounds, rows
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerObjectRow, TriggerRow
from flytetemporal.admin.retention import deleting, finishing
from flytetemporal.admin.retention.models import RetentionPolicyRow, ValueReferenceRow
from flytetemporal.admin.settings import projects
from flytetemporal.admin.upkeep.loops import Found
from flytetemporal.catalog import projects as catalog_projects
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow, PolicyRow, ReservationRow
from flytetemporal.cli.wiring import upkeep_loops
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.contracts.v1 import retention_pb2
from flytetemporal.db.orm import Base
from flytetemporal.idl import locations
from tests.fixtures.installation import Installation
from tests.fixtures.waiting import HANG_SECONDS

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
GONE, OTHER, DOMAIN = "gone", "other", "development"
ACTIVE = launch_plan_pb2.ACTIVE


class Deleted:
    """An installation with two projects that have rows in every table, and files."""

    def __init__(self, installation: Installation) -> None:
        self.installation, self.deps = installation, installation.deps
        self.catalog = Catalog(self.deps.sessions, self.deps.blobs, CatalogSettings())
        self.cache = rounds.ProjectCache(partial(catalog_projects.remove, self.catalog))

    async def fill(self, project: str) -> None:
        """Register a project and add something of everything."""
        await projects.register(
            self.deps, project_pb2.ProjectRegisterRequest(project=project_pb2.Project(id=project, name=project))
        )
        root, now = self.deps.blobs.root, datetime.now(UTC)
        closure = f"{root}/metadata/admin/{project}/{DOMAIN}/w/v1/{'0' * 64}"
        await self.deps.blobs.write(closure, b"closure")
        await self.deps.blobs.write(f"{root}/{project}/{DOMAIN}/HASH/code.tar.gz", b"code")
        version = {"project": project, "domain": DOMAIN, "version": "v1", "digest": "d"}
        interface = {"typed_interface": b"", "graph": b"", "task_templates": b""}
        async with self.deps.sessions.begin() as session:
            session.add(TaskRow(name="t", type="x", closure=b"", **version))
            session.add(WorkflowRow(name="w", remote_closure_identifier=closure, **interface, **version))
            session.add(LaunchPlanRow(name="w", spec=b"", closure=b"", **version))
            session.add(
                MatchableAttributesRow(
                    project=project, domain="", workflow="", launch_plan="", resource_type=0, attributes=b""
                )
            )
            session.add(RetentionPolicyRow(project=project, domain=DOMAIN, max_count=1000, updated_by="ann"))
            session.add(_pause(project))
            dataset = DatasetRow(
                project=project, domain=DOMAIN, name="t", version="1", uuid=project, key_map={}, partition_keys=[]
            )
            trigger = TriggerRow(project=project, domain=DOMAIN, launch_plan="w", name="t", version="v1", kind="prefix")
            trigger.source_project = trigger.source_domain = trigger.source_name = ""
            trigger.declaration, trigger.is_active, trigger.active_since = "{}", False, now
            backfill = _backfill(project, now)
            session.add_all((dataset, trigger, backfill))
            await session.flush()
            session.add(ArtifactRow(dataset_id=dataset.id, artifact_id="a", data_uri="", key_map={}))
            session.add(PolicyRow(project=project, domain=DOMAIN, name="", task_version="", max_age=now - now))
            session.add(
                ReservationRow(
                    project=project, domain=DOMAIN, name="t", version="1", tag_name="k", owner_id="o", expires_at=now
                )
            )
            session.add(TriggerObjectRow(trigger_id=trigger.id, name="o", version="1", seen_in=1))
            event = {"trigger_id": trigger.id, "event_id": "e", "occurred_at": now, "state": "LAUNCHED"}
            session.add(TriggerEventRow(project=project, domain=DOMAIN, execution_name="tr1", **event))
            run = {"scheduled_at": now, "execution_name": "x", "problem": "", "state": "SUCCEEDED"}
            session.add(BackfillRunRow(backfill_id=backfill.id, **run))

    async def execution(self, project: str, phase: str = "SUCCEEDED", **columns: object) -> ExecutionId:
        """Record an execution that has ended an hour ago, with a node, an artifact and files."""
        name = f"a{uuid.uuid4().hex[:19]}"
        execution_id = ExecutionId(project=project, domain=DOMAIN, name=name)
        key = {"execution_project": project, "execution_domain": DOMAIN, "execution_name": name}
        closure = execution_pb2.ExecutionClosure(phase=phase).SerializeToString()
        async with self.deps.sessions.begin() as session:
            argument = self.installation.argument(execution_id, "waits").SerializeToString()
            session.add(ExecutionRow(phase=phase, closure=closure, spec=b"", engine_input=argument, **key, **columns))
            session.add(NodeExecutionRow(node_id="n0", closure=b"", node_execution_metadata=b"", **key))
            session.add(
                NamedArtifactRow(
                    project=project, domain=DOMAIN, name="m", version=name, partitions={}, granularity=0, artifact=b"",
                    **key,
                )
            )  # fmt: skip
        for folder in locations.execution_dirs(self.deps.blobs.root, execution_id):
            await self.deps.blobs.write(f"{folder}/n0/data/0/o0_offloaded_metadata.pb", b"x")
        await self.age()
        return execution_id

    async def age(self) -> None:
        async with self.deps.sessions.begin() as session:
            await session.execute(text("update executions set updated_at = now() - interval '1 hour'"))
            await session.execute(text("update removals set started_at = now() - interval '1 hour'"))

    async def delete(self, project: str = GONE, **fields: bool) -> retention_pb2.DeleteProjectResponse:
        request = retention_pb2.DeleteProjectRequest(project=project, deleted_by="ann", **fields)
        return await deletions.delete_project(self.deps, request)

    async def round(self) -> Found:
        """Run a round of both loops that take part, as if the last one were an hour ago."""
        await self.age()
        await finishing.finish_some(self.deps, upkeep_loops.cached_outputs(self.catalog))
        return await rounds.round_(self.deps, self.cache)

    async def finish(self) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while True:
                found = await self.round()
                assert not found.error
                if not found.counts.get("projects_left"):
                    return
                await asyncio.sleep(0.05)

    async def left(self, project: str) -> Mapping[str, int]:
        """Return the numbers of rows of a project by table, and that of its files."""
        found = {}
        async with self.deps.sessions() as session:
            for name, table in Base.metadata.tables.items():
                column = next((c for c in ("execution_project", "project", "identifier") if c in table.c), "")
                if name in rows.PARENTS:
                    query, values = f"select count(*) from {name}", {}
                elif column:
                    query, values = f"select count(*) from {name} where {column} = :p", {"p": project}
                else:
                    continue
                found[name] = int((await session.execute(text(query), values)).scalar_one())
        tree = await self.deps.blobs.tree(self.deps.blobs.root)
        found["files"] = sum(f"/{project}" in f"/{name}" for name in tree)
        return {name: count for name, count in found.items() if count}


def _pause(project: str) -> PauseRow:
    pause = PauseRow(kind="PROJECT", project=project, domain="", name="", node_id="", reason="", paused_by="ann")
    pause.revision, pause.is_active, pause.stop_running, pause.undelivered = hash(project) % 10**9, True, False, False
    pause.paused_at = datetime.now(UTC)
    return pause


def _backfill(project: str, now: datetime) -> BackfillRow:
    words = ("digest", "launch_plan_name", "launch_plan_version", "waits_for", "started_by", "reason")
    counts = ("total", "pending", "running", "succeeded", "failed", "skipped", "cancelled")
    row = BackfillRow(project=project, domain=DOMAIN, name="b1", start_at=now, end_at=now, parallel=1, ended_at=now)
    row.newest_first = row.failed_only = row.abort_running = False
    for column, value in (dict.fromkeys(words, "x") | dict.fromkeys(counts, 1) | {"state": "SUCCEEDED"}).items():
        setattr(row, column, value)
    return row


@pytest.fixture
async def deleted(sessions: async_sessionmaker[AsyncSession], temporal: Client, tmp_path: Path) -> Deleted:
    found = Deleted(Installation(sessions, temporal, tmp_path / "store"))
    for project in (GONE, OTHER):
        await found.fill(project)
    return found


KEPT = {"pauses", "removals", "operator_actions"}


async def test_a_deleted_project_is_gone_with_everything_and_others_keep_everything(deleted: Deleted) -> None:
    old = await deleted.execution(GONE)
    async with deleted.deps.sessions() as session:
        query = text("select id from executions where execution_name = :name")
        number = (await session.execute(query, {"name": old.name})).scalar_one()
    newer = await deleted.execution(GONE, source_execution_id=number, mode=execution_pb2.ExecutionMetadata.RECOVERED)
    await _refer(deleted, source=old, reader=newer)
    await deleted.execution(OTHER)
    other = await deleted.left(OTHER)
    before = await deleted.left(GONE)

    counted = await deleted.delete(dry_run=True)
    assert await deleted.left(GONE) == before
    assert await deleted.delete() == counted
    await deleted.finish()

    left = await deleted.left(GONE)
    # With the artifacts of the project, nothing is left that could use the values of its executions.
    assert set(left) == KEPT | set(rows.PARENTS)
    parents = dict.fromkeys(rows.PARENTS, 1)
    assert await deleted.left(OTHER) == {**other, **parents}
    assert {name: left[name] for name in rows.PARENTS} == parents, "those of the other project"
    assert (counted.executions, counted.tasks, counted.workflows, counted.launch_plans) == (2, 1, 1, 1)
    assert counted.artifacts == 2
    (removal,) = [one for one in await _removals(deleted) if one.kind == "project"]
    assert removal.HasField("finished_at")
    assert (removal.name, removal.removed_by, dict(removal.counts)) == (
        GONE, "ann", {"executions": 2, "versions": 3, "files": 2},
    )  # fmt: skip
    await projects.register(
        deleted.deps, project_pb2.ProjectRegisterRequest(project=project_pb2.Project(id=GONE, name=GONE))
    )
    async with deleted.deps.sessions() as session:
        query = text("select is_active from pauses where project = :p")
        assert (await session.execute(query, {"p": GONE})).scalar_one() is False, "it would hold the new project up"


async def _removals(deleted: Deleted) -> list[retention_pb2.Removal]:
    request = retention_pb2.ListRemovalsRequest(project=GONE, domain=DOMAIN)
    return list((await deleting.list_removals(deleted.deps, request)).removals)


async def _refer(deleted: Deleted, source: ExecutionId, reader: ExecutionId) -> None:
    fields = ("project", "domain", "name")
    columns = {f"source_{name}": getattr(source, name) for name in fields}
    columns |= {f"execution_{name}": getattr(reader, name) for name in fields}
    async with deleted.deps.sessions.begin() as session:
        session.add(ValueReferenceRow(**columns))


@pytest.mark.parametrize(
    ("table", "statement", "expected", "stopped"),
    [
        ("launch_plans", "state = 1, schedule_type = 'CRON'", "1 active schedules", 0),
        ("triggers", "is_active = true", "1 active triggers", 0),
        # Its workflow has to end it.
        ("backfills", "ended_at = null, state = 'RUNNING'", "1 backfills that are not over", 1),
    ],
)
async def test_a_project_that_launches_is_deleted_only_on_request_and_then_stopped(
    deleted: Deleted, table: str, statement: str, expected: str, stopped: int
) -> None:
    await _execute(deleted, f"update {table} set {statement} where project = 'gone'")

    for dry_run in (True, False):
        with pytest.raises(errors.FailedPrecondition, match=f"project gone cannot be deleted: it has {expected}"):
            await deleted.delete(dry_run=dry_run)
    assert "removals" not in await deleted.left(GONE)
    await deleted.delete(terminate=True)
    await deleted.round()

    async with deleted.deps.sessions() as session:
        query = text("select state, abort_running from backfills where project = 'gone'")
        assert (await session.execute(query)).all() == [("CANCELLED", True)] * stopped
    await _execute(deleted, "update backfills set ended_at = now()")
    await deleted.finish()
    assert set(await deleted.left(GONE)) == KEPT | set(rows.PARENTS)


async def test_running_executions_of_a_project_are_ended_on_request_and_then_deleted(deleted: Deleted) -> None:
    execution_id = await deleted.execution(GONE, "RUNNING")
    await deleted.deps.engine.start(deleted.installation.argument(execution_id, "waits"))
    with pytest.raises(errors.FailedPrecondition, match="it has 1 running executions: end them first, or"):
        await deleted.delete()

    await deleted.delete(terminate=True)
    found = await deleted.round()

    assert (found.counts, found.more) == ({"projects_left": 1}, False)
    async with deleted.installation.worker():
        await deleted.installation.ended(execution_id)
        await deleted.installation.sweeper.sweep()
    await deleted.finish()
    assert set(await deleted.left(GONE)) == KEPT | set(rows.PARENTS)


@pytest.mark.parametrize("use", ["values", "recovery", "launch plan", "trigger", "run"])
async def test_a_project_that_another_one_uses_is_not_deleted_even_on_request(deleted: Deleted, use: str) -> None:
    source = await deleted.execution(GONE)
    match use:
        case "values":
            await _refer(deleted, source, await deleted.execution(OTHER))
        case "recovery":
            async with deleted.deps.sessions() as session:
                number = (await session.execute(text("select id from executions"))).scalar_one()
            recovered = execution_pb2.ExecutionMetadata.RECOVERED
            await deleted.execution(OTHER, source_execution_id=number, mode=recovered)
        case "launch plan":
            await _execute(
                deleted,
                "update launch_plans set state = 1, workflow_id = (select id from workflows where project = 'gone') "
                "where project = 'other'",
            )
        case "trigger":
            await _execute(
                deleted,
                "update triggers set is_active = true, kind = 'success', source_project = 'gone' "
                "where project = 'other'",
            )
        case _:
            async with deleted.deps.sessions() as session:
                query = text("select id from launch_plans where project = 'gone'")
                number = (await session.execute(query)).scalar_one()
            await deleted.execution(OTHER, "RUNNING", launch_plan_id=number)
    before = await deleted.left(GONE)

    with pytest.raises(errors.FailedPrecondition, match="project gone cannot be deleted: other:development:"):
        await deleted.delete(terminate=True)

    assert await deleted.left(GONE) == before


async def _execute(deleted: Deleted, statement: str) -> None:
    async with deleted.deps.sessions.begin() as session:
        await session.execute(text(statement))


async def test_a_use_that_begins_later_keeps_the_deletion_from_finishing_and_is_named(deleted: Deleted) -> None:
    source = await deleted.execution(GONE)
    await deleted.delete()
    reader = await deleted.execution(OTHER)
    await _refer(deleted, source, reader)

    found = await deleted.round()

    assert found.error == (
        f"project gone: other:development:{reader.name} has inputs that are stored as its values: "
        "delete that execution first"
    )
    assert (await deleted.left(GONE))["executions"] == 1


async def test_a_deletion_that_dies_at_any_step_continues_where_it_was(deleted: Deleted) -> None:
    class Died(Exception):
        pass

    for _ in range(3):
        await deleted.execution(GONE)
    await deleted.delete()
    deaths = 0
    async with asyncio.timeout(HANG_SECONDS):
        for commit in range(1, 200):
            # The process dies after the nth transaction; the next one starts a new round from the rows.
            died = _dying_after(deleted, commit, Died)
            await deleted.age()
            await finishing.finish_some(deleted.deps, upkeep_loops.cached_outputs(deleted.catalog))
            found = await rounds.round_(died, deleted.cache)
            deaths += bool(found.error)
            if not found.error and not found.counts.get("projects_left"):
                break

    assert deaths > 5
    assert set(await deleted.left(GONE)) == KEPT | set(rows.PARENTS)
    assert sum(one.kind == "execution" for one in await _removals(deleted)) == 3


def _dying_after(deleted: Deleted, commits: int, error: type[Exception]) -> Dependencies:
    """Return dependencies whose sessions fail once the given number was opened."""
    opened = 0
    real: Callable[..., AsyncSession] = deleted.deps.sessions

    class Sessions:
        def __call__(self) -> AsyncSession:
            self._count()
            return real()

        def begin(self) -> object:
            self._count()
            return deleted.deps.sessions.begin()

        @staticmethod
        def _count() -> None:
            nonlocal opened
            opened += 1
            if opened > commits:
                raise error(f"died after {commits}")

    return replace(deleted.deps, sessions=cast(Any, Sessions()))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda d: projects.update(d, project_pb2.Project(id=GONE)), "project gone is being deleted"),
        (
            lambda d: projects.register(
                d, project_pb2.ProjectRegisterRequest(project=project_pb2.Project(id=GONE, name=GONE))
            ),
            "project gone is being deleted: `flytetemporal retention log -p gone` shows when that is finished",
        ),
    ],
)
async def test_a_project_that_is_being_deleted_stays_so(
    deleted: Deleted, call: Callable[[Dependencies], Awaitable[object]], expected: str
) -> None:
    await deleted.delete()

    with pytest.raises(errors.FailedPrecondition, match=expected):
        await call(deleted.deps)
    assert (await deleted.delete()).workflows == 1, "a repeated call changes nothing"
    assert len(await _removals(deleted)) == 1


async def test_projects_that_do_not_exist_or_that_admin_registers_itself_are_refused(deleted: Deleted) -> None:
    with pytest.raises(errors.NotFound, match=r"project \[nosuch\] not found"):
        await deleted.delete("nosuch")
    settings = deleted.deps.settings.model_copy(update={"projects": [GONE]})
    deleted.deps = replace(deleted.deps, settings=settings)
    with pytest.raises(errors.FailedPrecondition, match="take it out of FLYTETEMPORAL_ADMIN__PROJECTS first"):
        await deleted.delete()


def test_raw_data_below_the_folder_of_uploads_is_not_deleted_with_the_project() -> None:
    root = "s3://store"

    assert locations.uploads_dir(root, "p", f"{root}/data") == f"{root}/p"
    assert locations.uploads_dir(root, "data", f"{root}/data") == ""
    assert locations.uploads_dir(root, "metadata", f"{root}/data") == ""
    assert locations.uploads_dir(root, "ab", root) == ""
