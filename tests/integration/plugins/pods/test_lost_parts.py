"""Attempts as pods whose node, worker or API server is lost."""

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flytetemporal.config.pods import PodSettings
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import metadata, plugin, removing
from flytetemporal.plugins.pods.leases import Leases, OrphanCollector
from tests.fixtures.pod_attempts import Cluster, ended, failure, shown
from tests.fixtures.waiting import bounded

QUICKLY: dict[str, Any] = {"orphan_grace": timedelta(seconds=1.5), "lease_duration": timedelta(seconds=1)}


async def lease_names(cluster: Cluster) -> list[str]:
    answer = await cluster.node.api.get(f"/apis/coordination.k8s.io/v1/namespaces/{cluster.node.namespace}/leases")
    return [one["metadata"]["name"] for one in answer["items"]]


async def lease_is_gone(cluster: Cluster, lease: str) -> None:
    while lease in await lease_names(cluster):  # noqa: ASYNC110  the API server is asked
        await asyncio.sleep(0.1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a node confirm the end of a pod within half a second instead of a minute."""
    monkeypatch.setattr(removing, "FORCE_SECONDS", 0.5)
    monkeypatch.setattr(removing, "LOOK_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_pod_of_a_lost_node_is_removed_by_force_before_its_attempt_fails(cluster: Cluster) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        pod = await cluster.node.only()
        await cluster.node.bind(pod)
        await cluster.node.run(pod)
        lost = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint",
        }
        await cluster.node.report(pod, conditions=[lost])
        await cluster.node.api.delete(cluster.node.path(pod))  # Stays, since its node confirms nothing.
        result = await ended(started)
        assert await cluster.node.pods() == []

    assert failure(result) == ("UnexpectedObjectDeletion", "SYSTEM", True)
    assert "DeletionByTaintManager" in result.failure.error.message


@pytest.mark.usefixtures("impatient")
async def test_an_abort_removes_the_pod_of_a_lost_node_by_force(cluster: Cluster) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started, pod = await cluster.running(bench, attempt)
        await cluster.node.bind(pod)
        started.cancel()
        result = await ended(started)

    assert result.failure.error.code == "Aborted"
    assert await cluster.node.pods() == []


async def test_the_pod_and_the_lease_of_a_killed_worker_are_collected(cluster: Cluster, tmp_path: Path) -> None:
    bench, namespace, file = cluster.worker(**QUICKLY), cluster.node.namespace, tmp_path / "attempt"
    attempt = await cluster.attempt(bench)
    file.write_bytes(attempt.SerializeToString())
    arguments = [str(tmp_path), str(cluster.server.kubeconfig()), namespace, str(file)]
    module = "tests.fixtures.mortal_pod_worker"
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", module, *arguments)
    try:
        pod = await cluster.node.only()
        await cluster.node.bind(pod)
        await cluster.node.run(pod)
    finally:
        worker.kill()
        await worker.wait()
    lease = pod["metadata"]["labels"][metadata.LEASE_LABEL]
    assert await lease_names(cluster) == [lease]

    async with bench.registry.opened():
        deleted = await cluster.node.seen(lambda pods: "deletionTimestamp" in pods[0]["metadata"])
        await cluster.node.delete(deleted[0])
        await bounded(lease_is_gone(cluster, lease))


async def test_no_pod_is_collected_because_the_api_server_was_away(cluster: Cluster) -> None:
    node, settings = cluster.node, PodSettings(orphan_grace=timedelta(seconds=1))
    leases = Leases(node.api, settings, node.namespace, "mine")
    collector = OrphanCollector(node.api, settings, leases, set)
    await node.api.create(f"/api/v1/namespaces/{node.namespace}/pods", pod_of_another_worker(node.namespace))
    await collector.round(node.pods)

    with cluster.server.gone():
        await collector.round(node.pods)
        await asyncio.sleep(1.5)  # Longer than the grace, in which nobody can renew a lease.
    await collector.round(node.pods)

    assert len(await node.pods()) == 1
    while await node.pods():  # A worker that is really dead loses its pods anyway.
        await collector.round(node.pods)
        await asyncio.sleep(0.1)


def pod_of_another_worker(namespace: str) -> Json:
    labels = {
        metadata.MANAGED_LABEL: metadata.MANAGED_BY,
        metadata.LEASE_LABEL: "other",
        metadata.HOME_LABEL: namespace,
    }
    spec = {"containers": [{"name": "task", "image": "acme/train:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "theirs", "labels": labels}, "spec": spec}


async def test_attempts_that_run_or_start_say_that_the_api_server_is_away_and_go_on_when_it_is_back(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "_PATIENT_SECONDS", 0.3)
    bench = cluster.worker(**QUICKLY)
    async with bench.registry.opened():
        running = await cluster.attempt(bench)
        started, pod = await cluster.running(bench, running)
        waiting = await cluster.attempt(bench)
        with cluster.server.gone():
            later = bench.start(waiting)
            for attempt in (running, waiting):
                await shown(bench, attempt, "does not answer")
            await asyncio.sleep(2)  # Longer than the grace for orphans.
        pods = await cluster.node.seen(lambda pods: len(pods) == 2)
        for attempt in (running, waiting):
            await cluster.write_outputs(bench, attempt)
        for each in pods:
            await cluster.node.end(each)
        results = [await ended(each) for each in (started, later)]

    assert all(result.HasField("outputs") for result in results)
    assert pod["metadata"]["uid"] in [each["metadata"]["uid"] for each in pods]
    await cluster.node.empty()
