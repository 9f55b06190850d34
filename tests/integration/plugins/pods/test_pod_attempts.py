"""Attempts as pods of a real API server; the tests report what a kubelet would."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from flyteidl.core import literals_pb2, security_pb2, tasks_pb2

from flytetemporal.idl import locations
from flytetemporal.kube.api import KubeApi
from flytetemporal.plugins.pods import creating, metadata
from tests.fixtures.pod_attempts import Cluster, ended, failure, left, shown
from tests.fixtures.task_attempts import text
from tests.fixtures.waiting import bounded, eventually

STARTED_AT = metadata.STARTED_AT_ANNOTATION


async def test_an_attempt_is_a_pod_that_is_gone_after_its_success(cluster: Cluster) -> None:
    uri = "https://logs/{{ .namespace }}/{{ .podName }}/{{ .containerName }}"
    bench = cluster.worker(kubernetes_template_uri=uri)
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        pod = await cluster.node.only()
        await cluster.succeed(bench, attempt)
        result = await ended(started)

    bench.sink.remember(result.unreported)
    assert result.outputs.literals.literals["o0"] == text("done")
    assert pod["metadata"]["name"] == attempt.generated_name
    assert pod["spec"]["containers"][0]["args"][0] == "run"
    phases = bench.sink.phases(attempt)
    assert (phases[0], phases[-2:]) == ("QUEUED", ["RUNNING", "SUCCEEDED"])
    kept, link = bench.sink.task_events(attempt)[-1].logs
    assert kept.name == "Task Logs"
    name = attempt.generated_name
    assert (link.name, link.uri) == ("Kubernetes Logs (User)", f"https://logs/{cluster.node.namespace}/{name}/{name}")
    await cluster.node.empty()


@pytest.mark.parametrize(
    ("exit_code", "reason", "expected"),
    [
        (1, "Error", ("Error", "USER", True)),
        (137, "OOMKilled", ("OOMKilled", "USER", True)),
        (137, "Error", ("Interrupted", "SYSTEM", True)),
    ],
)
async def test_a_pod_that_fails_is_a_failure_with_its_end(
    cluster: Cluster, exit_code: int, reason: str, expected: tuple[str, str, bool]
) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        attempt.settings.memory_rules.add(factor=2, maximum_bytes=8 * 1024**3, steps=2)
        started = bench.start(attempt)
        await cluster.node.end(await cluster.node.only(), exit_code, reason, "the last words")
        result = await ended(started)

    assert failure(result) == expected
    assert "the last words" in result.failure.error.message
    await cluster.node.empty()


async def test_memory_grows_after_a_pod_has_run_out_of_it(cluster: Cluster) -> None:
    bench, task = cluster.worker(), cluster.task()
    task.container.resources.requests.add(name=tasks_pb2.Resources.MEMORY, value="1Gi")
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench, task)
        attempt.settings.memory_rules.add(factor=2, maximum_bytes=8 * 1024**3, steps=2)
        started = bench.start(attempt)
        await cluster.node.end(await cluster.node.only(), 137, "OOMKilled")

        assert (await ended(started)).failure.next_memory_bytes == 2 * 1024**3


async def test_an_abort_leaves_no_pod_and_waits_for_its_end(cluster: Cluster) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        pod = await cluster.node.only()
        await cluster.node.bind(pod)
        await cluster.node.run(pod)
        await eventually(lambda: "RUNNING" in bench.sink.phases(attempt))

        started.cancel()
        await cluster.node.seen(lambda pods: "deletionTimestamp" in pods[0]["metadata"])
        assert not started.result.done()
        await cluster.node.delete(pod)

        assert (await ended(started)).failure.error.code == "Aborted"
    assert await cluster.node.pods() == []


async def test_a_pod_whose_worker_is_gone_is_taken_over_by_the_next_one(cluster: Cluster) -> None:
    first, second = cluster.worker(), cluster.worker()
    async with first.registry.opened():
        attempt = await cluster.attempt(first)
        started, pod = await cluster.running(first, attempt)
        await left(started)

    assert (await cluster.node.only())["metadata"]["uid"] == pod["metadata"]["uid"]
    async with second.registry.opened():
        running = asyncio.create_task(second.run(attempt, temporal_attempt=2))
        await cluster.succeed(second, attempt)
        result = await bounded(running)

    assert result.outputs.literals.literals["o0"] == text("done")
    assert pod["metadata"]["labels"]["flytetemporal.io/lease"] != ""
    await cluster.node.empty()


async def test_a_pod_that_ended_while_no_worker_watched_is_not_run_again(cluster: Cluster) -> None:
    first, second = cluster.worker(), cluster.worker()
    async with first.registry.opened():
        attempt = await cluster.attempt(first)
        started = first.start(attempt)
        pod = await cluster.node.only()
        await left(started)
    uri = locations.outputs_uri(attempt.output_dir)
    await first.blobs.write_message(uri, literals_pb2.LiteralMap(literals={"o0": text("done")}))
    await cluster.node.end(pod)

    async with second.registry.opened():
        result = await bounded(second.run(attempt, temporal_attempt=2))

    assert result.outputs.literals.literals["o0"] == text("done")


@pytest.mark.parametrize("has_ended", [False, True])
async def test_the_timeout_of_an_attempt_counts_from_its_start_and_not_from_a_take_over(
    cluster: Cluster, *, has_ended: bool
) -> None:
    first, second = cluster.worker(), cluster.worker()
    async with first.registry.opened():
        attempt = await cluster.attempt(first)
        attempt.timeout.FromTimedelta(timedelta(minutes=30))
        started, pod = await cluster.running(first, attempt)
        await left(started)
    an_hour_ago = (datetime.fromisoformat(pod["metadata"]["annotations"][STARTED_AT]) - timedelta(hours=1)).isoformat()
    await cluster.node.api.patch(cluster.node.path(pod), {"metadata": {"annotations": {STARTED_AT: an_hour_ago}}})
    if has_ended:
        uri = locations.outputs_uri(attempt.output_dir)
        await first.blobs.write_message(uri, literals_pb2.LiteralMap(literals={"o0": text("done")}))
        await cluster.node.end(pod)

    async with second.registry.opened():
        result = await bounded(second.run(attempt, temporal_attempt=2))

    if has_ended:
        assert result.outputs.literals.literals["o0"] == text("done")
    else:
        assert failure(result) == ("TimeoutExpired", "USER", True)
        assert "[30m0s] expired" in result.failure.error.message
    await cluster.node.empty()


async def test_what_a_reset_has_left_is_replaced(cluster: Cluster) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        old = await cluster.node.only()
        await left(started)
    other = cluster.worker()
    async with other.registry.opened():
        again = other.start(attempt)
        (new,) = await cluster.node.seen(
            lambda pods: bool(pods) and pods[0]["metadata"]["uid"] != old["metadata"]["uid"]
        )
        await cluster.succeed(other, attempt)
        await ended(again)

    assert new["metadata"]["name"] == old["metadata"]["name"]


async def test_a_pod_that_somebody_deletes_is_a_failure_of_the_system(cluster: Cluster) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        started = bench.start(await cluster.attempt(bench))
        pod = await cluster.node.only()
        await cluster.node.delete(pod)
        result = await ended(started)

    # The API server marks a pod as deleted before it is gone, and the watch sees either.
    assert failure(result)[0] in ("ResourceDeletedExternally", "UnexpectedObjectDeletion")
    assert failure(result)[1:] == ("SYSTEM", True)


async def test_a_quota_is_waited_for_and_the_attempt_says_so(cluster: Cluster) -> None:
    bench = cluster.worker(backoff_max_duration=timedelta(seconds=1))
    await set_quota(cluster, used="3")
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        await shown(bench, attempt, "Exceeded resourcequota: ")
        assert bench.sink.phases(attempt)[0] == "WAITING_FOR_RESOURCES"
        assert await cluster.node.pods() == []
        await set_quota(cluster, used="0")
        await cluster.succeed(bench, attempt)
        result = await ended(started)

    assert result.HasField("outputs")


async def test_a_task_that_asks_for_more_than_the_whole_quota_fails_at_once(cluster: Cluster) -> None:
    bench, task = cluster.worker(), cluster.task()
    task.container.resources.limits.add(name=tasks_pb2.Resources.CPU, value="4")
    await set_quota(cluster, used="0")
    async with bench.registry.opened():
        result = await bounded(bench.run(await cluster.attempt(bench, task)))

    assert failure(result) == ("ResourceRequestsExceedLimits", "USER", False)


async def set_quota(cluster: Cluster, used: str) -> None:
    """Limit the namespace to three CPUs, of which some are in use."""
    path, hard = f"/api/v1/namespaces/{cluster.node.namespace}/resourcequotas", {"limits.cpu": "3"}
    if not (await cluster.node.api.get(path))["items"]:
        body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "quota"}, "spec": {"hard": hard}}
        await cluster.node.api.create(path, body)
    await cluster.node.api.patch(f"{path}/quota/status", {"status": {"hard": hard, "used": {"limits.cpu": used}}})


async def test_an_image_that_cannot_be_pulled_ends_the_attempt_after_its_grace_and_leaves_no_pod(
    cluster: Cluster,
) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        pod = await cluster.node.only()
        await cluster.node.wait_for(pod, "ImagePullBackOff", "Back-off pulling acme/train:1")
        await shown(bench, attempt, "Back-off pulling acme/train:1")
        await cluster.node.wait_for(pod, "ImagePullBackOff", "no such image", since=timedelta(minutes=4))
        result = await ended(started)

    assert failure(result) == ("ContainersNotReady|ImagePullBackOff", "USER", True)
    assert "no such image" in result.failure.error.message
    assert await cluster.node.pods() == []


async def test_a_missing_secret_is_named_before_there_is_a_pod(cluster: Cluster) -> None:
    bench, task, namespace = cluster.worker(), cluster.task(), cluster.node.namespace
    task.security_context.secrets.append(security_pb2.Secret(group="db", key="password"))
    async with bench.registry.opened():
        missing = await bounded(bench.run(await cluster.attempt(bench, task)))
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"user": "u"}}
        await cluster.node.api.create(f"/api/v1/namespaces/{namespace}/secrets", body)
        without_key = await bounded(bench.run(await cluster.attempt(bench, task)))

    for result in (missing, without_key):
        assert failure(result) == ("SecretNotFound", "USER", False)
        assert "secret db/password" in result.failure.error.message
    assert await cluster.node.pods() == []


async def test_pods_are_based_on_the_pod_template_that_their_task_names(cluster: Cluster) -> None:
    bench, task, namespace = cluster.worker(), cluster.task(), cluster.node.namespace
    task.metadata.pod_template_name = "base"
    spec = {"containers": [{"name": "default", "image": "x"}], "priorityClassName": "", "hostname": "mine"}
    async with bench.registry.opened():
        missing = await bounded(bench.run(await cluster.attempt(bench, task)))
        body = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "other"}, "template": {"spec": spec}}
        await cluster.node.api.create(f"/api/v1/namespaces/{namespace}/podtemplates", body)
        task.metadata.pod_template_name = "other"
        attempt = await cluster.attempt(bench, task)
        started = bench.start(attempt)
        pod = await cluster.node.only()
        await cluster.succeed(bench, attempt)
        await ended(started)

    assert failure(missing) == ("BadTaskSpecification", "USER", False)
    assert pod["spec"]["hostname"] == "mine"


async def test_a_pod_that_kubernetes_finds_malformed_is_refused_with_its_words(cluster: Cluster) -> None:
    bench, task = cluster.worker(), cluster.task()
    task.container.image = "   "
    async with bench.registry.opened():
        result = await bounded(bench.run(await cluster.attempt(bench, task)))

    assert failure(result) == ("BadTaskFormat", "USER", False)
    assert "image" in result.failure.error.message


async def test_a_namespace_that_does_not_exist_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creating, "PASSING_SECONDS", 0.5)
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await bench.attempt(cluster.task())
        attempt.settings.namespace = "nowhere"
        result = await bounded(bench.run(attempt))

    assert failure(result) == ("NamespaceNotFound", "SYSTEM", True)
    assert "[nowhere]" in result.failure.error.message


async def test_an_account_that_may_not_create_pods_is_told_so(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(creating, "PASSING_SECONDS", 0.5)
    bench = cluster.worker("guest", check_secrets=False)
    async with bench.registry.opened():
        result = await bounded(bench.run(await cluster.attempt(bench)))

    assert failure(result) == ("RuntimeFailure", "USER", True)
    assert "cannot create resource" in result.failure.error.message


async def test_a_restart_of_the_api_server_loses_no_attempt(cluster: Cluster) -> None:
    bench = cluster.worker()
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        await cluster.node.run(await cluster.node.only())
        await eventually(lambda: "RUNNING" in bench.sink.phases(attempt))
        with cluster.server.gone():
            pass
        await cluster.succeed(bench, attempt)

        assert (await ended(started)).HasField("outputs")
    await cluster.node.empty()


async def test_a_pod_whose_workers_are_all_gone_is_collected(cluster: Cluster) -> None:
    settings: dict[str, Any] = {"orphan_grace": timedelta(seconds=1.5), "lease_duration": timedelta(seconds=1)}
    first, second = cluster.worker(**settings), cluster.worker(**settings)
    async with first.registry.opened(), second.registry.opened():
        attempt, mine = await cluster.attempt(first), await cluster.attempt(first)
        lost = first.start(attempt)
        pod = await cluster.node.only()
        held = first.start(mine)
        await cluster.node.seen(lambda pods: len(pods) == 2)
        await left(lost)
        remaining = await cluster.node.only()

        assert remaining["metadata"]["name"] == mine.generated_name != pod["metadata"]["name"]
        held.cancel()
        await ended(held)


async def test_pods_that_are_kept_after_their_end_are_collected_later(cluster: Cluster) -> None:
    bench = cluster.worker(keep_finished=timedelta(seconds=2), orphan_grace=timedelta(seconds=1))
    async with bench.registry.opened():
        attempt = await cluster.attempt(bench)
        started = bench.start(attempt)
        await cluster.succeed(bench, attempt)
        await ended(started)
        await cluster.node.empty()


async def test_attempts_share_a_watch_and_cost_two_calls_each(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, calls, answer = cluster.worker(), list[str](), KubeApi._answer

    async def counted(self: KubeApi, method: str, path: str, *rest: Any, **named: Any) -> Any:
        if "/pods" in path and self is not cluster.node.api and path != "/api/v1/pods":
            calls.append(method)
        return await answer(self, method, path, *rest, **named)

    monkeypatch.setattr(KubeApi, "_answer", counted)
    async with bench.registry.opened():
        attempts = [await cluster.attempt(bench) for _ in range(20)]
        started = [bench.start(attempt) for attempt in attempts]
        pods = await cluster.node.seen(lambda pods: len(pods) == 20)
        for attempt in attempts:
            uri = locations.outputs_uri(attempt.output_dir)
            await bench.blobs.write_message(uri, literals_pb2.LiteralMap(literals={"o0": text("done")}))
        for pod in pods:
            await cluster.node.end(pod)
        results = [await ended(each) for each in started]

    assert all(result.HasField("outputs") for result in results)
    assert {method: calls.count(method) for method in set(calls)} == {"GET": 1, "POST": 20, "DELETE": 20}
