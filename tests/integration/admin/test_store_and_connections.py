"""No connection to the database is held while the object store is written: stores can be slow."""

from dataclasses import replace

import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import literals_pb2

from flytetemporal import errors
from flytetemporal.admin.base.dependencies import Dependencies
from flytetemporal.admin.executions import workflow_executions
from flytetemporal.admin.registry import launch_plans, tasks, workflows
from flytetemporal.admin.settings import projects
from flytetemporal.storage.blobs import BlobStore
from tests.fixtures.registrations import DOMAIN, PROJECT, identifier, integer, plan, task, workflow


class WatchingStore(BlobStore):
    """A store that notes how many connections are in use at each write."""

    def __init__(self, deps: Dependencies) -> None:
        super().__init__(deps.blobs.root)
        self._pool = deps.sessions.kw["bind"].pool
        self.connections_in_use: list[int] = []

    def write_sync(self, uri: str, data: bytes) -> None:
        self.connections_in_use.append(self._pool.checkedout())
        super().write_sync(uri, data)


def launch(name: str, value: int = 1) -> execution_pb2.ExecutionCreateRequest:
    return execution_pb2.ExecutionCreateRequest(
        project=PROJECT,
        domain=DOMAIN,
        name=name,
        spec=execution_pb2.ExecutionSpec(launch_plan=identifier("LAUNCH_PLAN", "w")),
        inputs=literals_pb2.LiteralMap(literals={"a": integer(value)}),
    )


async def test_registrations_and_launches_hold_no_connection_while_they_write(deps: Dependencies) -> None:
    store = WatchingStore(deps)
    deps = replace(deps, blobs=store)
    await projects.register_defaults(deps)

    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan())
    await workflow_executions.create(deps, launch("e1"))

    assert len(store.connections_in_use) >= 5
    assert set(store.connections_in_use) == {0}


async def test_a_launch_under_a_taken_name_leaves_no_files(deps: Dependencies) -> None:
    await projects.register_defaults(deps)
    await tasks.create(deps, task())
    await workflows.create(deps, workflow())
    await launch_plans.create(deps, plan())
    await workflow_executions.create(deps, launch("e1"))
    before = sorted(await deps.blobs.tree(f"{deps.blobs.root}/metadata"))

    with pytest.raises(errors.AlreadyExists):
        await workflow_executions.create(deps, launch("e1", 2))

    assert sorted(await deps.blobs.tree(f"{deps.blobs.root}/metadata")) == before
