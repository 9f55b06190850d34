"""Programs of flytekit in pods of a real API server, on a node that runs their containers as processes."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import kubernetes.client
import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2

from clusters.api_server import ApiServer
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from flytetemporal.plugins.pods.metadata import LEASE_LABEL
from scripts import background_stack
from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.fixtures.local_node import LocalNode, local_node
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until

TaskPhase = core_execution_pb2.TaskExecution
NAMESPACE = f"{PROJECT}-{DOMAIN}"


@pytest.fixture(scope="module")
def node(kubernetes_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    with local_node(kubernetes_api, tmp_path_factory.mktemp("node"), NAMESPACE) as node:
        yield node


@pytest.fixture(scope="module")
def client(kubernetes_api: ApiServer, node: LocalNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("pods")
    with pytest.MonkeyPatch.context() as environment, (folder / "dev.log").open("wb") as output:
        environment.setenv("FLYTETEMPORAL_WORKER__PLUGIN", "pods")
        environment.setenv("FLYTETEMPORAL_PODS__KUBECONFIG", str(kubernetes_api.kubeconfig()))
        environment.setenv("FLYTETEMPORAL_PODS__BACKOFF_MAX_DURATION", "PT1S")
        with (
            background_stack.running(folder / "home", output=output) as state,
            connected(RunningStack.of(folder / "home", state)) as client,
        ):
            yield client


def pods(node: LocalNode) -> list[str]:
    return [pod.metadata.name for pod in node.pods.list_namespaced_pod(NAMESPACE).items]


def is_running(client: Client, execution: identifier_pb2.WorkflowExecutionIdentifier) -> bool:
    return [attempt.closure.phase for attempt in client.attempts(execution)] == [TaskPhase.RUNNING]


def test_a_task_runs_in_a_pod_that_is_gone_afterwards(client: Client, node: LocalNode) -> None:
    execution = client.run("in_pods", "greeting", "--name", "pod")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "hello pod"}
    (attempt,) = client.attempts(execution.id)
    assert attempt.closure.metadata.generated_name == f"{execution.id.name}-n0-0"
    wait_until(lambda: pods(node) == [])


def test_the_output_of_a_pod_can_be_read_when_the_pod_is_gone(client: Client, node: LocalNode) -> None:
    execution = client.run("in_pods", "greeting", "--name", "pod")
    wait_until(lambda: pods(node) == [])

    (attempt,) = client.attempts(execution.id)
    (link,) = attempt.closure.logs
    assert link.name == "Task Logs"
    assert f"in pod {execution.id.name}" in httpx.get(link.uri).text


def test_elements_of_a_map_task_are_pods(client: Client, node: LocalNode) -> None:
    execution = client.run("in_pods", "mapping")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    wait_until(lambda: pods(node) == [])


def test_the_error_of_a_task_is_that_of_its_execution(client: Client, node: LocalNode) -> None:
    execution = client.run("in_pods", "breaking")

    assert execution.closure.phase == Phase.FAILED
    assert "this task is broken" in execution.closure.error.message
    wait_until(lambda: pods(node) == [])


def test_an_abort_leaves_no_pod(client: Client, node: LocalNode) -> None:
    execution = client.start("in_pods", "sleeping", "--seconds", "600")
    wait_until(lambda: is_running(client, execution))

    client.admin.TerminateExecution(execution_pb2.ExecutionTerminateRequest(id=execution, cause="enough"))

    assert client.wait(execution).closure.phase == Phase.ABORTED
    wait_until(lambda: [attempt.closure.phase for attempt in client.attempts(execution)] == [TaskPhase.ABORTED])
    assert pods(node) == []


def test_a_pod_that_is_killed_for_its_memory_gets_more_in_its_next_attempt(client: Client, node: LocalNode) -> None:
    rule = "flytetemporal.io/memory=[{maximum: 2Gi}]"

    execution = client.wait(client.start("in_pods", "filling", options=["--annotations", rule]))

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    attempts = client.attempts(execution.id)
    assert [attempt.closure.error.code for attempt in attempts] == ["OOMKilled", ""]
    assert [attempt.closure.custom_info["memory"] for attempt in attempts] == ["500Mi", "1000Mi"]
    wait_until(lambda: pods(node) == [])


def test_a_pod_goes_on_although_its_worker_is_killed(client: Client, node: LocalNode, tmp_path: Path) -> None:
    file = tmp_path / "go"
    execution = client.start("in_pods", "waiting", "--path", str(file))
    wait_until(lambda: is_running(client, execution))
    (before,) = node.pods.list_namespaced_pod(NAMESPACE).items

    kill_worker(client)
    wait_until(lambda: lease_of(node) not in (None, before.metadata.labels[LEASE_LABEL]))
    (after,) = node.pods.list_namespaced_pod(NAMESPACE).items
    file.touch()
    ended = client.wait(execution)

    assert ended.closure.phase == Phase.SUCCEEDED, ended.closure.error.message
    assert client.outputs(execution) == {"o0": "awake"}
    assert after.metadata.uid == before.metadata.uid
    assert [uid for uid, name in node.started if name == before.metadata.name] == [before.metadata.uid]
    assert len(client.attempts(execution)) == 1
    wait_until(lambda: pods(node) == [])


def test_a_pod_that_ends_before_the_next_worker_is_there_is_not_run_again(
    client: Client, node: LocalNode, tmp_path: Path
) -> None:
    file = tmp_path / "go"
    execution = client.start("in_pods", "waiting", "--path", str(file))
    wait_until(lambda: is_running(client, execution))
    (pod,) = node.pods.list_namespaced_pod(NAMESPACE).items

    kill_worker(client)
    file.touch()
    ended = client.wait(execution)

    assert ended.closure.phase == Phase.SUCCEEDED, ended.closure.error.message
    assert len(client.attempts(execution)) == 1
    assert [uid for uid, name in node.started if name == pod.metadata.name] == [pod.metadata.uid]
    wait_until(lambda: pods(node) == [])


def kill_worker(client: Client) -> None:
    """Kill the worker, which the stack then starts again."""
    state = state_folder.read_state(StateFolder(client.stack.home))
    assert state is not None
    os.kill(state["processes"]["worker"], signal.SIGKILL)


def lease_of(node: LocalNode) -> str | None:
    """Return the lease of the only pod."""
    leases = [pod.metadata.labels[LEASE_LABEL] for pod in node.pods.list_namespaced_pod(NAMESPACE).items]
    return leases[0] if len(leases) == 1 else None


def test_an_attempt_waits_for_the_quota_of_its_namespace(
    client: Client, node: LocalNode, kubernetes_client: kubernetes.client.ApiClient
) -> None:
    core: Any = kubernetes.client.CoreV1Api(kubernetes_client)
    hard: Any = {"hard": {"pods": "1"}}
    core.create_namespaced_resource_quota(NAMESPACE, {"metadata": {"name": "full"}, "spec": hard})
    core.patch_namespaced_resource_quota_status("full", NAMESPACE, {"status": {**hard, "used": {"pods": "1"}}})
    execution = client.start("in_pods", "greeting", "--name", "pod")
    wait_until(lambda: any("exceeded quota: full" in attempt.closure.reason for attempt in client.attempts(execution)))
    assert pods(node) == []

    core.delete_namespaced_resource_quota("full", NAMESPACE)

    assert client.wait(execution).closure.phase == Phase.SUCCEEDED
