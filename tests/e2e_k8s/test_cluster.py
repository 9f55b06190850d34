"""Pods really run on the cluster for tests: made with the official client, run by a real kubelet and containerd."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes.client import ApiClient, CoreV1Api

from clusters import images
from clusters.cluster import Cluster
from scripts.s3_server import BUCKET, S3Server
from tests.e2e_k8s.pods import logs, run_to_end
from tests.fixtures.waiting import wait_until


@pytest.fixture(scope="module")
def client(kubernetes_cluster: Cluster) -> Iterator[ApiClient]:
    with kubernetes_cluster.api.client() as client:
        yield client


def run(client: ApiClient, *command: str, **container: Any) -> Any:
    main = {"name": "main", "image": images.BUSYBOX.name, "command": list(command), **container}
    return run_to_end(client, {"hostNetwork": True, "restartPolicy": "Never", "containers": [main]})


def ended(pod: Any) -> Any:
    return pod.status.container_statuses[0].state.terminated


def test_a_hello_world_pod_succeeds_and_its_log_can_be_read(client: ApiClient) -> None:
    pod = run(client, "echo", "Hello, world!")

    assert (pod.status.phase, logs(client, pod)) == ("Succeeded", "Hello, world!\n")


def test_a_pod_that_fails_has_its_exit_code(client: ApiClient) -> None:
    pod = run(client, "sh", "-c", "exit 3")

    assert (pod.status.phase, ended(pod).exit_code, ended(pod).reason) == ("Failed", 3, "Error")


def test_a_container_above_its_memory_limit_is_killed(client: ApiClient) -> None:
    pod = run(client, "tail", "/dev/zero", resources={"limits": {"memory": "32Mi"}})

    assert (ended(pod).reason, ended(pod).exit_code) == ("OOMKilled", 137)


def test_a_deleted_pod_is_gone(client: ApiClient) -> None:
    core: Any = CoreV1Api(client)
    spec = {"containers": [{"name": "main", "image": images.BUSYBOX.name, "command": ["sleep", "1000"]}]}
    pod = {"metadata": {"name": "sleeper"}, "spec": {"hostNetwork": True, **spec}}
    core.create_namespaced_pod("default", pod)
    wait_until(lambda: core.read_namespaced_pod("sleeper", "default").status.phase == "Running")

    core.delete_namespaced_pod("sleeper", "default", grace_period_seconds=0)

    wait_until(lambda: "sleeper" not in [pod.metadata.name for pod in core.list_namespaced_pod("default").items])


def test_a_pod_reads_the_s3_server_of_this_machine(client: ApiClient, s3_server: S3Server) -> None:
    filesystem = s3_server.filesystem()
    filesystem.pipe_file(f"{BUCKET}/for-a-pod", b"from the bucket")

    pod = run(client, "wget", "-q", "-O", "-", filesystem.sign(f"{BUCKET}/for-a-pod"))

    assert logs(client, pod) == "from the bucket"


def test_an_image_that_is_not_there_is_waited_for_with_its_reason(client: ApiClient) -> None:
    core: Any = CoreV1Api(client)
    container = {"name": "main", "image": "localhost/absent:1", "imagePullPolicy": "Never"}
    pod = {"metadata": {"name": "absent"}, "spec": {"hostNetwork": True, "containers": [container]}}
    core.create_namespaced_pod("default", pod)

    wait_until(lambda: "ErrImageNeverPull" in waiting(core.read_namespaced_pod("absent", "default")))

    core.delete_namespaced_pod("absent", "default", grace_period_seconds=0)


def waiting(pod: Any) -> list[str]:
    states = [status.state.waiting for status in pod.status.container_statuses or ()]
    return [state.reason for state in states if state is not None]
