"""Stock pyflyte runs workflows whose tasks are pods on a real node; their data is on a real S3 server."""

import json
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from flyteidl.admin import execution_pb2
from flyteidl.core import execution_pb2 as core_execution_pb2
from flyteidl.core import identifier_pb2
from kubernetes.client import CoreV1Api

from clusters import task_environment
from clusters.cluster import Cluster
from flytetemporal.cli.dev import state_folder
from flytetemporal.cli.dev.state_folder import StateFolder
from scripts import background_stack
from scripts.s3_server import S3Server
from tests.e2e.client import DOMAIN, PROJECT, Client, Phase, connected
from tests.fixtures.stack import RunningStack
from tests.fixtures.waiting import wait_until

PROGRAM = str(Path(__file__).parent / "programs" / "pods")
NAMESPACE = f"{PROJECT}-{DOMAIN}"
TaskPhase = core_execution_pb2.TaskExecution


@pytest.fixture(scope="module")
def core(kubernetes_cluster: Cluster) -> Iterator[Any]:
    with kubernetes_cluster.api.client() as client:
        core: Any = CoreV1Api(client)
        core.create_namespace({"metadata": {"name": NAMESPACE}})
        yield core


@pytest.fixture(scope="module")
def client(
    core: Any, kubernetes_cluster: Cluster, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("pods")
    access = s3_server.settings()
    settings = {
        "STORAGE__OPTIONS": json.dumps(access),
        "WORKER__PLUGIN": "pods",
        "PODS__KUBECONFIG": str(kubernetes_cluster.api.kubeconfig()),
        "PODS__DEFAULT_POD_TEMPLATE_NAME": task_environment.TEMPLATE,
        "PODS__DEFAULT_CPUS": "10m",
        "PODS__DEFAULT_MEMORY": "400Mi",
        "PODS__DEFAULT_ENV_VARS": json.dumps(
            {
                "FLYTE_AWS_ENDPOINT": access["endpoint_url"],
                "FLYTE_AWS_ACCESS_KEY_ID": access["key"],
                "FLYTE_AWS_SECRET_ACCESS_KEY": access["secret"],
            }
        ),
    }
    with pytest.MonkeyPatch.context() as environment, (folder / "dev.log").open("wb") as output:
        for name, value in settings.items():
            environment.setenv(f"FLYTETEMPORAL_{name}", value)
        options = ["--store", f"{s3_server.root}/pods"]
        with (
            background_stack.running(folder / "home", options=options, output=output) as state,
            connected(RunningStack.of(folder / "home", state)) as client,
        ):
            yield client


def pods(core: Any) -> list[str]:
    return [pod.metadata.name for pod in core.list_namespaced_pod(NAMESPACE).items]


def is_running(client: Client, execution: identifier_pb2.WorkflowExecutionIdentifier) -> bool:
    return [attempt.closure.phase for attempt in client.attempts(execution)] == [TaskPhase.RUNNING]


def test_hello_world_runs_in_a_pod_that_is_gone_afterwards(client: Client, core: Any) -> None:
    execution = client.run(PROGRAM, "greeting", "--name", "pod")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    assert client.outputs(execution.id) == {"o0": "Hello, pod!"}
    wait_until(lambda: pods(core) == [])
    (attempt,) = client.attempts(execution.id)
    (link,) = attempt.closure.logs
    assert f"in pod {execution.id.name}" in httpx.get(link.uri).text


def test_twenty_elements_of_a_map_task_are_pods(client: Client, core: Any) -> None:
    execution = client.run(PROGRAM, "doubling", "--n", "20")

    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    wait_until(lambda: pods(core) == [])


def test_the_error_of_a_task_is_that_of_its_execution(client: Client, core: Any) -> None:
    execution = client.run(PROGRAM, "failing")

    assert execution.closure.phase == Phase.FAILED
    assert "invalid literal for int()" in execution.closure.error.message
    wait_until(lambda: pods(core) == [])


def test_a_pod_that_is_killed_for_its_memory_gets_more(client: Client, core: Any) -> None:
    name = f"e2e{secrets.token_hex(6)}"
    rule = "flytetemporal.io/memory=[{maximum: 2Gi}]"

    ran = client.stack.pyflyte(
        "run",
        "--remote",
        "-p",
        PROJECT,
        "-d",
        DOMAIN,
        "--name",
        name,
        "--annotations",
        rule,
        f"{PROGRAM}.py",
        "filling",
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    execution = client.wait(identifier_pb2.WorkflowExecutionIdentifier(project=PROJECT, domain=DOMAIN, name=name))
    assert execution.closure.phase == Phase.SUCCEEDED, execution.closure.error.message
    codes = [attempt.closure.error.code for attempt in client.attempts(execution.id)]
    assert codes == ["OOMKilled", ""]


def test_an_abort_leaves_no_pod(client: Client, core: Any) -> None:
    execution = client.start(PROGRAM, "sleeping", "--seconds", "600")
    wait_until(lambda: is_running(client, execution))

    client.admin.TerminateExecution(execution_pb2.ExecutionTerminateRequest(id=execution, cause="enough"))

    assert client.wait(execution).closure.phase == Phase.ABORTED
    wait_until(lambda: [attempt.closure.phase for attempt in client.attempts(execution)] == [TaskPhase.ABORTED])
    assert pods(core) == []


def test_a_pod_goes_on_although_its_worker_is_killed(client: Client, core: Any) -> None:
    execution = client.start(PROGRAM, "sleeping", "--seconds", "10")
    wait_until(lambda: is_running(client, execution))
    (pod,) = core.list_namespaced_pod(NAMESPACE).items
    state = state_folder.read_state(StateFolder(client.stack.home))
    assert state is not None
    os.kill(state["processes"]["worker"], signal.SIGKILL)

    ended = client.wait(execution)

    assert ended.closure.phase == Phase.SUCCEEDED, ended.closure.error.message
    assert client.outputs(execution) == {"o0": "awake"}
    (attempt,) = client.attempts(execution)
    assert attempt.closure.metadata.generated_name == pod.metadata.name
    wait_until(lambda: pods(core) == [])
