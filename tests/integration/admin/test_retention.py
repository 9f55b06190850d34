"""What is removed is gone as a whole, and nothing that others need is removed, on real servers."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import identifier_pb2, literals_pb2, types_pb2
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio.client import Client
from temporalio.service import RPCError

from flytetemporal import errors
from flytetemporal.admin.artifacts import queries
from flytetemporal.admin.artifacts.models import NamedArtifactRow
from flytetemporal.admin.base import operator_actions
from flytetemporal.admin.base.models import NodeExecutionRow, PauseRow, TaskExecutionRow
from flytetemporal.admin.base.outbox_rows import NotificationRow
from flytetemporal.admin.edits import editing
from flytetemporal.admin.executions import launch_references
from flytetemporal.admin.outbox.backfill_models import BackfillRow, BackfillRunRow
from flytetemporal.admin.outbox.trigger_models import TriggerEventRow, TriggerRow
from flytetemporal.admin.retention import deleting, finishing, policies, rounds
from flytetemporal.admin.retention.models import RetentionPolicyRow, ValueReferenceRow
from flytetemporal.admin.settings import projects
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.catalog.models import ArtifactRow, DatasetRow
from flytetemporal.cli.wiring import upkeep_loops
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.contracts.v1 import artifacts_pb2, edits_pb2, retention_pb2
from flytetemporal.idl import identifiers, locations, naming
from tests.fixtures.installation import Installation
from tests.fixtures.registrations import DOMAIN, PROJECT
from tests.fixtures.waiting import HANG_SECONDS

ExecutionId = identifier_pb2.WorkflowExecutionIdentifier
RECOVERED, CHILD = execution_pb2.ExecutionMetadata.RECOVERED, execution_pb2.ExecutionMetadata.CHILD_WORKFLOW


class Kept:
    """An installation with executions that have ended, and all that belongs to them."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.deps = installation.deps
        self.catalog = Catalog(self.deps.sessions, self.deps.blobs, CatalogSettings())
        self.cached_outputs = upkeep_loops.cached_outputs(self.catalog)

    async def execution(self, phase: str = "SUCCEEDED", **columns: Any) -> ExecutionId:
        """Record an execution that ended an hour ago, with a node, a task and files."""
        execution_id = await self.installation.record("succeeds", phase, None, **columns)
        key = dict(zip(("execution_project", "execution_domain", "execution_name"), _key(execution_id), strict=True))
        async with self.deps.sessions.begin() as session:
            for node_id in ("n0", "n1"):
                session.add(NodeExecutionRow(node_id=node_id, closure=b"", node_execution_metadata=b"", **key))
            task = {"project": PROJECT, "domain": DOMAIN, "name": "t", "version": "v1", "retry_attempt": 0}
            session.add(TaskExecutionRow(node_id="n0", closure=b"", **task, **key))
        await self.age(execution_id, "1 hour")
        for folder in locations.execution_dirs(self.deps.blobs.root, execution_id):
            for name in ("n0/data/0/outputs.pb", "n0/data/0/o0_offloaded_metadata.pb", "n1/data/inputs.pb"):
                await self.deps.blobs.write(f"{folder}/{name}", b"x")
        return execution_id

    async def age(self, execution_id: ExecutionId, by: str) -> None:
        query = text(
            "update executions set created_at = now() - cast(:by as interval), "
            "updated_at = now() - cast(:by as interval) where execution_name = :name"
        )
        async with self.deps.sessions.begin() as session:
            await session.execute(query, {"by": by, "name": execution_id.name})

    async def row(self, execution_id: ExecutionId) -> int:
        query = text("select id from executions where execution_name = :name")
        async with self.deps.sessions() as session:
            return int((await session.execute(query, {"name": execution_id.name})).scalar_one())

    async def cached(self, execution_id: ExecutionId) -> None:
        project, domain, name = _key(execution_id)
        key_map = {"exec-project": project, "exec-domain": domain, "execution-name": name}
        async with self.deps.sessions.begin() as session:
            dataset = DatasetRow(
                project=project, domain=domain, name=name, version="1", uuid=name, key_map={}, partition_keys=[]
            )
            session.add(dataset)
            await session.flush()
            session.add(ArtifactRow(dataset_id=dataset.id, artifact_id=name, data_uri="", key_map=key_map))

    async def delete(
        self, execution_id: ExecutionId, *, dry_run: bool = False
    ) -> retention_pb2.DeleteExecutionResponse:
        request = retention_pb2.DeleteExecutionRequest(execution_id=execution_id, deleted_by="ann", dry_run=dry_run)
        return await deleting.delete_execution(self.deps, request)

    async def finish(self) -> int:
        """Run rounds until everything that was begun is finished; return how many executions were."""
        finished = 0
        while True:
            found = await finishing.finish_some(self.deps, self.cached_outputs)
            assert not found.error
            finished += found.counts.get("executions_removed", 0)
            if not found.more:
                return finished
            await asyncio.sleep(0.05)  # Temporal deletes later.

    async def left(self, execution_id: ExecutionId) -> Mapping[str, int]:
        """Return what is left of an execution."""
        tables = ("executions", "node_executions", "task_executions", "execution_tags", "value_references")
        found = {}
        async with self.deps.sessions() as session:
            for table in tables:
                query = text(f"select count(*) from {table} where execution_name = :name")
                found[table] = int((await session.execute(query, {"name": execution_id.name})).scalar_one())
            query = text("select count(*) from catalog_artifacts where artifact_id = :name")
            found["cached"] = int((await session.execute(query, {"name": execution_id.name})).scalar_one())
        found["files"] = len(await self.files(execution_id))
        found["histories"] = await self.histories(execution_id)
        return {name: count for name, count in found.items() if count}

    async def files(self, execution_id: ExecutionId) -> list[str]:
        root = self.deps.blobs.root
        return [
            name
            for folder in locations.execution_dirs(root, execution_id)
            for name in await self.deps.blobs.tree(folder)
        ]

    async def histories(self, execution_id: ExecutionId) -> int:
        handle = self.installation.client.get_workflow_handle(naming.temporal_workflow_id(execution_id))
        try:
            await handle.describe()
        except RPCError:
            return 0
        return 1

    async def removals(self) -> list[retention_pb2.Removal]:
        request = retention_pb2.ListRemovalsRequest(project=PROJECT, domain=DOMAIN)
        return list((await deleting.list_removals(self.deps, request)).removals)


def _key(execution_id: ExecutionId) -> tuple[str, str, str]:
    return identifiers.execution_key(execution_id)


@pytest.fixture
async def kept(sessions: async_sessionmaker[AsyncSession], temporal: Client, tmp_path: Path) -> Kept:
    installation = Installation(sessions, temporal, tmp_path / "store")
    await projects.register_defaults(installation.deps)
    return Kept(installation)


async def test_a_deleted_execution_is_gone_with_everything_that_belongs_to_it(kept: Kept) -> None:
    execution_id, other = await kept.execution(), await kept.execution()
    await kept.cached(execution_id)
    await kept.cached(other)
    async with kept.installation.worker():
        for one in (execution_id, other):
            await kept.deps.engine.start(kept.installation.argument(one, "succeeds"))
            await kept.installation.ended(one)
    before = await kept.left(other)
    assert before == await kept.left(execution_id)

    counted = await kept.delete(execution_id, dry_run=True)
    assert await kept.left(execution_id) == before
    assert await kept.delete(execution_id) == counted
    assert (counted.executions, counted.nodes, counted.tasks) == (1, 2, 1)
    assert "executions" not in await kept.left(execution_id)

    assert await kept.finish() == 1

    # It has stored cached outputs, so others may use the values that it has stored in files of their own.
    assert set(await kept.files(execution_id)) == {"n0/data/0/o0_offloaded_metadata.pb"}
    assert await kept.left(execution_id) == {"files": 4}
    assert await kept.left(other) == before
    (removal,) = await kept.removals()
    assert (removal.kind, removal.name, removal.removed_by) == ("execution", execution_id.name, "ann")
    assert removal.HasField("finished_at")
    assert dict(removal.counts) == {
        "nodes": 2, "tasks": 1, "cached_outputs": 1, "histories": 1, "files": 8, "kept_files": 4,
    }  # fmt: skip


async def test_an_execution_that_never_used_the_cache_leaves_no_files_and_no_folders(kept: Kept) -> None:
    execution_id = await kept.execution()

    await kept.delete(execution_id)
    await kept.finish()

    assert await kept.left(execution_id) == {}
    folders = locations.execution_dirs(kept.deps.blobs.root, execution_id)
    assert not any(Path(folder).exists() for folder in folders)


async def test_a_link_in_the_folder_of_an_execution_is_removed_and_not_followed(kept: Kept, tmp_path: Path) -> None:
    execution_id = await kept.execution()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_text("stays")
    folder = Path(locations.execution_dirs(kept.deps.blobs.root, execution_id)[0])
    (folder / "link").symlink_to(tmp_path / "elsewhere")

    await kept.delete(execution_id)
    await kept.finish()

    assert not folder.exists()
    assert (tmp_path / "elsewhere" / "file").read_text() == "stays"


@pytest.mark.parametrize("reason", ["running", "child", "recently", "recovered", "values", "notification"])
async def test_an_execution_that_another_one_needs_is_not_deleted(kept: Kept, reason: str) -> None:
    execution_id = await kept.execution("RUNNING" if reason == "running" else "SUCCEEDED")
    number, wanted = await kept.row(execution_id), execution_id
    match reason:
        case "child":
            wanted = await kept.execution(source_execution_id=number, parent_node_execution_id=1, mode=CHILD)
        case "recently":
            await kept.age(execution_id, "1 second")
        case "recovered":
            await kept.execution(source_execution_id=number, mode=RECOVERED)
        case "values":
            reader = await kept.execution()
            await _refer(kept, execution_id, reader)
        case "notification":
            await _owe(kept, execution_id)
        case _:
            pass

    with pytest.raises(errors.FailedPrecondition, match="cannot be deleted"):
        await kept.delete(wanted)

    assert (await kept.left(wanted))["executions"] == 1
    assert await kept.removals() == []


async def test_a_refusal_says_how_many_need_the_execution(kept: Kept) -> None:
    source = await kept.execution()
    for _ in range(3):
        await _refer(kept, source, await kept.execution())

    with pytest.raises(errors.FailedPrecondition, match=r"delete \w+ first \(2 more keep it, too\)"):
        await kept.delete(source)


async def _owe(kept: Kept, execution_id: ExecutionId) -> None:
    project, domain, name = _key(execution_id)
    now = datetime.now(UTC)
    row = NotificationRow(
        delivery_id=name,
        execution_project=project,
        execution_domain=domain,
        execution_name=name,
        channel="email",
        destination="email",
        recipient="ann@example.org",
        notice=b"",
        next_attempt_at=now,
        created_at=now,
    )
    async with kept.deps.sessions.begin() as session:
        session.add(row)


async def test_artifacts_outlive_their_execution_and_so_do_their_values(kept: Kept) -> None:
    execution_id = await kept.execution()
    project, domain, name = _key(execution_id)
    artifact = artifacts_pb2.Artifact(
        type=types_pb2.LiteralType(simple=types_pb2.INTEGER),
        outputs_uri=f"{locations.metadata_dir(kept.deps.blobs.root, execution_id)}/n0/data/0/outputs.pb",
        output="o0",
    )
    literal = literals_pb2.Literal(scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(integer=42)))
    await kept.deps.blobs.write_message(artifact.outputs_uri, literals_pb2.LiteralMap(literals={"o0": literal}))
    row = NamedArtifactRow(
        project=project,
        domain=domain,
        name="model",
        version=name,
        partitions={},
        granularity=0,
        execution_project=project,
        execution_domain=domain,
        execution_name=name,
        artifact=artifact.SerializeToString(),
    )
    async with kept.deps.sessions.begin() as session:
        session.add(row)

    await kept.delete(execution_id)
    await kept.finish()

    async with kept.deps.sessions() as session:
        assert await session.scalar(text("select count(*) from artifacts")) == 1
    assert set(await kept.files(execution_id)) == {"n0/data/0/o0_offloaded_metadata.pb", "n0/data/0/outputs.pb"}
    assert await queries.value(kept.deps.blobs, "a", artifact, artifact.type) == literal


async def _produce(kept: Kept, execution_id: ExecutionId) -> None:
    project, domain, name = _key(execution_id)
    uri = f"{locations.metadata_dir(kept.deps.blobs.root, execution_id)}/n0/data/0/outputs.pb"
    row = NamedArtifactRow(
        project=project,
        domain=domain,
        name="model",
        version=name,
        partitions={},
        granularity=0,
        execution_project=project,
        execution_domain=domain,
        execution_name=name,
        artifact=artifacts_pb2.Artifact(outputs_uri=uri, output="o0").SerializeToString(),
    )
    async with kept.deps.sessions.begin() as session:
        session.add(row)


@pytest.mark.parametrize("through", ["inputs", "recovery", "child"])
async def test_values_that_an_artifact_can_contain_outlive_all_executions(kept: Kept, through: str) -> None:
    source = await kept.execution()
    number = await kept.row(source)
    match through:
        case "recovery":
            producer = await kept.execution(source_execution_id=number, mode=RECOVERED)
        case "child":
            producer = await kept.execution(source_execution_id=number, mode=CHILD, parent_node_execution_id=1)
        case _:
            producer = await kept.execution()
    await _produce(kept, producer)
    if through == "inputs":
        await _refer(kept, source, producer)

    for execution_id in (source,) if through == "child" else (producer, source):
        await kept.delete(execution_id)
    await kept.finish()

    assert set(await kept.files(source)) == {"n0/data/0/o0_offloaded_metadata.pb"}
    assert "executions" not in await kept.left(source)


async def test_an_execution_is_kept_until_its_backfill_has_counted_it(kept: Kept) -> None:
    execution_id = await kept.execution()
    project, domain, name = _key(execution_id)
    now = datetime.now(UTC)
    words = ("digest", "launch_plan_name", "launch_plan_version", "waits_for", "started_by", "reason")
    counts = ("total", "pending", "running", "succeeded", "failed", "skipped", "cancelled")
    backfill = BackfillRow(project=project, domain=domain, name="b1", start_at=now, end_at=now, parallel=1)
    backfill.newest_first = backfill.failed_only = backfill.abort_running = False
    for column, value in (dict.fromkeys(words, "x") | dict.fromkeys(counts, 1) | {"state": "RUNNING"}).items():
        setattr(backfill, column, value)
    async with kept.deps.sessions.begin() as session:
        session.add(backfill)
        await session.flush()
        run = {"backfill_id": backfill.id, "scheduled_at": now, "execution_name": name, "problem": ""}
        session.add(BackfillRunRow(state="RUNNING", **run))

    with pytest.raises(errors.FailedPrecondition, match="backfill b1 has not counted it yet"):
        await kept.delete(execution_id)

    async with kept.deps.sessions.begin() as session:
        await session.execute(text("update backfill_runs set state = 'SUCCEEDED'"))
    await kept.delete(execution_id)


@pytest.mark.parametrize("kind", ["success", "artifact"])
async def test_an_execution_is_kept_until_its_triggers_have_launched(kept: Kept, kind: str) -> None:
    execution_id = await kept.execution()
    await _produce(kept, execution_id)
    project, domain, name = _key(execution_id)
    now = datetime.now(UTC)
    event_id = f"{project}:{domain}:{name}" if kind == "success" else f"{project}:{domain}:model@{name}"
    sources = {"source_project": project, "source_domain": domain, "source_name": "w"}
    trigger = TriggerRow(project=project, domain=domain, launch_plan="p", name="t", version="v", kind=kind, **sources)
    trigger.declaration, trigger.is_active, trigger.active_since = "{}", True, now
    async with kept.deps.sessions.begin() as session:
        session.add(trigger)
        await session.flush()
        event = {"trigger_id": trigger.id, "event_id": event_id, "occurred_at": now}
        session.add(TriggerEventRow(project=project, domain=domain, execution_name="tr1", **event))

    with pytest.raises(errors.FailedPrecondition, match="a trigger is about to launch tr1 from it"):
        await kept.delete(execution_id)

    async with kept.deps.sessions.begin() as session:
        await session.execute(text("update trigger_events set state = 'LAUNCHED'"))
    await kept.delete(execution_id)


async def test_pauses_of_an_execution_end_with_it_and_revisions_still_grow(kept: Kept) -> None:
    execution_id, other = await kept.execution(), await kept.execution()
    now = datetime.now(UTC)
    async with kept.deps.sessions.begin() as session:
        for revision, one in enumerate((other, execution_id), 1):
            project, domain, name = _key(one)
            pause = PauseRow(kind="EXECUTION", project=project, domain=domain, name=name, node_id="", reason="")
            pause.revision, pause.is_active, pause.stop_running, pause.undelivered = revision, True, False, True
            pause.paused_by, pause.paused_at = "ann", now
            session.add(pause)

    await kept.delete(execution_id)

    async with kept.deps.sessions() as session:
        found = await session.execute(text("select revision, is_active, undelivered from pauses order by revision"))
        assert found.all() == [(1, True, True), (2, False, False)]


async def test_an_execution_of_a_name_that_is_free_again_can_have_the_same_inputs(kept: Kept) -> None:
    source, reader = await kept.execution(), await kept.execution()
    await _produce(kept, reader)
    await _refer(kept, source, reader)
    await kept.delete(reader)

    async with kept.deps.sessions.begin() as session:
        await launch_references.refer(session, _key(reader), [_key(source)])

    assert (await kept.left(reader))["value_references"] == 1


async def test_what_operators_did_to_a_removed_execution_is_not_listed_for_another_one_of_its_name(
    kept: Kept,
) -> None:
    execution_id = await kept.execution()
    for request_id in ("before", "after"):
        async with kept.deps.sessions.begin() as session:
            target = _key(execution_id)
            operator_actions.record(session, "ann", "retry", target, "n0", request_id=request_id, digest="", revision=1)
        if request_id == "before":
            await kept.delete(execution_id)
            await kept.finish()
            await kept.installation.record("succeeds", "SUCCEEDED", None, execution_id=execution_id)
    request = edits_pb2.ListOperatorActionsRequest(execution_id=execution_id)

    listed = (await editing.list_operator_actions(kept.deps, request)).actions

    assert [action.request_id for action in listed] == ["after"]
    again = edits_pb2.EditRequest(execution_id=execution_id, request_id="before", retry={"node_id": "n0"})
    with pytest.raises(errors.FailedPrecondition, match="has ended"):  # And not the answer to the earlier request.
        await editing.edit(kept.deps, again)


async def _refer(kept: Kept, source: ExecutionId, reader: ExecutionId) -> None:
    names = (
        "source_project",
        "source_domain",
        "source_name",
        "execution_project",
        "execution_domain",
        "execution_name",
    )
    async with kept.deps.sessions.begin() as session:
        session.add(ValueReferenceRow(**dict(zip(names, (*_key(source), *_key(reader)), strict=True))))


async def test_what_kept_an_execution_no_longer_does_once_it_is_deleted(kept: Kept) -> None:
    source = await kept.execution()
    recovered = await kept.execution(source_execution_id=await kept.row(source), mode=RECOVERED)
    reader = await kept.execution()
    await _refer(kept, recovered, reader)

    for execution_id in (reader, recovered, source):
        await kept.delete(execution_id)

    assert await kept.finish() == 3
    assert [await kept.left(one) for one in (source, recovered, reader)] == [{}, {}, {}]


async def test_an_execution_is_deleted_with_those_that_its_nodes_have_launched(kept: Kept) -> None:
    root = await kept.execution()
    child = await kept.execution(source_execution_id=await kept.row(root), parent_node_execution_id=1, mode=CHILD)
    below = await kept.execution(
        "RUNNING", source_execution_id=await kept.row(child), parent_node_execution_id=2, mode=CHILD
    )
    relaunched = await kept.execution(source_execution_id=await kept.row(root))
    with pytest.raises(errors.FailedPrecondition, match=f"{below.name} runs"):
        await kept.delete(root)

    async with kept.deps.sessions.begin() as session:
        await session.execute(text("update executions set phase = 'ABORTED' where phase = 'RUNNING'"))
    for execution_id in (root, child, below):
        await kept.age(execution_id, "1 hour")

    assert (await kept.delete(root)).executions == 3
    assert await kept.finish() == 3
    assert [await kept.left(one) for one in (root, child, below)] == [{}, {}, {}]
    assert (await kept.left(relaunched))["executions"] == 1


async def _set(kept: Kept, max_age: timedelta | None = None, max_count: int = 0) -> None:
    policy = retention_pb2.RetentionPolicy(project=PROJECT, domain=DOMAIN, max_count=max_count, updated_by="ann")
    if max_age is not None:
        policy.max_age.FromTimedelta(max_age)
    await policies.set_retention(kept.deps, retention_pb2.SetRetentionRequest(policy=policy))


async def _run(kept: Kept, *, dry_run: bool = False) -> retention_pb2.RunRetentionResponse:
    request = retention_pb2.RunRetentionRequest(project=PROJECT, domain=DOMAIN, dry_run=dry_run)
    return await rounds.run(kept.deps, request)


async def _round(kept: Kept) -> Mapping[str, int]:
    found = await rounds.round_(kept.deps, kept.cached_outputs)
    assert not found.error
    return found.counts


async def test_without_a_policy_nothing_is_removed(kept: Kept) -> None:
    execution_id = await kept.execution()

    assert await _round(kept) == {}
    with pytest.raises(errors.FailedPrecondition, match="no retention policy"):
        await _run(kept)

    assert (await kept.left(execution_id))["executions"] == 1


async def test_executions_older_than_the_policy_allows_are_removed(kept: Kept) -> None:
    old, young, running = await kept.execution(), await kept.execution(), await kept.execution("RUNNING")
    for execution_id in (old, running):
        await kept.age(execution_id, "3 days")
    await _set(kept, timedelta(days=2))

    counted = await _run(kept, dry_run=True)
    assert (counted.executions, counted.nodes, counted.tasks, dict(counted.kept)) == (1, 2, 1, {})
    assert await kept.removals() == []

    await _round(kept)
    await kept.finish()

    assert await kept.left(old) == {}
    for execution_id in (young, running):
        assert (await kept.left(execution_id))["executions"] == 1
    (removal,) = await kept.removals()
    assert (removal.removed_by, removal.reason) == ("retention", "older than 48h0m0s")


async def test_the_newest_executions_are_kept_and_so_is_what_they_need(kept: Kept) -> None:
    oldest, second, third, newest = [await kept.execution() for _ in range(4)]
    async with kept.deps.sessions.begin() as session:
        query = text("update executions set source_execution_id = :source, mode = :mode where execution_name = :name")
        values = {"source": await kept.row(oldest), "mode": RECOVERED, "name": newest.name}
        await session.execute(query, values)
    await _set(kept, max_count=2)

    counted = await _run(kept, dry_run=True)
    assert (counted.executions, dict(counted.kept)) == (1, {"recovered_or_forked": 1})

    await _round(kept)
    await kept.finish()

    assert await kept.left(second) == {}
    for execution_id in (oldest, third, newest):
        assert (await kept.left(execution_id))["executions"] == 1


async def test_pages_of_executions_that_are_kept_do_not_stop_the_ones_behind_them(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "PAGE", 2)
    needed = [await kept.execution() for _ in range(4)]
    for execution_id in needed:
        source = await kept.row(execution_id)
        await kept.execution("RUNNING", source_execution_id=source, mode=RECOVERED)
    free = await kept.execution()
    await _set(kept, timedelta(minutes=30))

    for _ in range(4):
        await _round(kept)
    await kept.finish()

    assert await kept.left(free) == {}
    for execution_id in needed:
        assert (await kept.left(execution_id))["executions"] == 1


async def test_a_policy_without_limits_is_removed(kept: Kept) -> None:
    await _set(kept, timedelta(days=1), 5)
    request = retention_pb2.GetRetentionRequest(project=PROJECT)
    (policy,) = (await policies.get_retention(kept.deps, request)).policies
    assert (policy.max_age.ToTimedelta(), policy.max_count, policy.updated_by) == (timedelta(days=1), 5, "ann")

    await _set(kept)

    assert not (await policies.get_retention(kept.deps, request)).policies


async def test_nothing_is_removed_any_more_once_a_policy_was_changed(kept: Kept) -> None:
    execution_id = await kept.execution()
    await _set(kept, timedelta(minutes=1))
    async with kept.deps.sessions() as session:
        policy = await session.get_one(RetentionPolicyRow, (PROJECT, DOMAIN))

    # A round that has read the policy before an operator has changed it.
    await _set(kept, timedelta(days=1))
    assert (await rounds.look(kept.deps, policy, 0)).executions == 0
    await _set(kept)
    assert (await rounds.look(kept.deps, policy, 0)).executions == 0

    assert (await kept.left(execution_id))["executions"] == 1


@pytest.mark.parametrize("step", ["_forget_cached", "_delete_histories", "_delete_files", "_add"])
async def test_a_removal_that_died_at_any_step_is_finished_by_the_next_round(
    kept: Kept, database: DatabaseSettings, step: str
) -> None:
    execution_id = await kept.execution()
    await kept.cached(execution_id)
    async with kept.installation.worker():
        await kept.deps.engine.start(kept.installation.argument(execution_id, "succeeds"))
        await kept.installation.ended(execution_id)
    await kept.delete(execution_id)

    host = kept.installation.client.service_client.config.target_host
    url = database.url.get_secret_value()
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _DYING, url, host, kept.deps.blobs.root, step],
        timeout=HANG_SECONDS,
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = await kept.left(execution_id)
    assert left
    assert "node_executions" not in left

    assert await kept.finish() == 1
    assert await kept.left(execution_id) == {"files": 4}


_DYING = """
import asyncio, os, signal, sys
from pathlib import Path
from typing import Any
from pydantic import SecretStr
from temporalio.client import Client
from flytetemporal.admin.retention import finishing
from flytetemporal.catalog.dependencies import Catalog
from flytetemporal.cli.wiring import upkeep_loops
from flytetemporal.config.catalog import CatalogSettings
from flytetemporal.config.database import DatabaseSettings
from flytetemporal.contracts import payloads
from flytetemporal.db import session
from tests.fixtures.installation import Installation

url, host, root, step = sys.argv[1:]

async def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    setattr(finishing, step, die)
    client = await Client.connect(host, data_converter=payloads.DATA_CONVERTER)
    _, sessions = session.open(DatabaseSettings(url=SecretStr(url)))
    deps = Installation(sessions, client, Path(root)).deps
    catalog = Catalog(sessions, deps.blobs, CatalogSettings())
    while True:
        await finishing.finish_some(deps, upkeep_loops.cached_outputs(catalog))

asyncio.run(main())
"""


async def test_one_removal_that_fails_does_not_keep_the_others_from_theirs(kept: Kept) -> None:
    failing, other = await kept.execution(), await kept.execution()
    for execution_id in (failing, other):
        await kept.delete(execution_id)

    async def has_any(execution_id: ExecutionId) -> bool:
        if execution_id == failing:
            raise errors.Unavailable("the catalog does not answer")
        return False

    failing_catalog = replace(kept.cached_outputs, has_any=has_any)
    found = await finishing.finish_some(kept.deps, failing_catalog)

    assert found.counts == {"executions_removed": 1}
    assert "the catalog does not answer" in found.error
    assert not found.more
    assert await kept.left(other) == {}
    assert await kept.finish() == 1


async def test_files_are_removed_some_at_a_time(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "FILES", 2)
    execution_id = await kept.execution()
    await kept.delete(execution_id)

    found = await finishing.finish_some(kept.deps, kept.cached_outputs)
    assert found.more
    assert (await kept.left(execution_id))["files"] == 10

    assert await kept.finish() == 1
    assert await kept.left(execution_id) == {}


async def test_inputs_that_are_values_of_another_execution_are_recorded(kept: Kept) -> None:
    source, own = await kept.execution(), kept.installation.identifier()
    root = kept.deps.blobs.root
    literal = literals_pb2.Literal()
    literal.offloaded_metadata.uri = f"{locations.metadata_dir(root, source)}/n0/data/0/o0_offloaded_metadata.pb"
    foreign = literals_pb2.Literal()
    foreign.offloaded_metadata.uri = "s3://elsewhere/o0_offloaded_metadata.pb"
    inputs = literals_pb2.LiteralMap(literals={"a": literal, "b": foreign})

    found = launch_references.sources(inputs, locations.metadata_dir(root, own))

    assert found == {_key(source)}
