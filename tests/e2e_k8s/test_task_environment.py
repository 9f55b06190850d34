"""Stock flytekit runs in pods on the cluster for tests, with its data on an S3 server of this machine."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core import literals_pb2
from kubernetes.client import ApiClient, CoreV1Api

from clusters import task_environment
from clusters.cluster import Cluster
from scripts.s3_server import BUCKET, S3Server
from tests.e2e_k8s.pods import logs, run_to_end

PROGRAM = Path(__file__).parent / "programs" / "greeting.py"


@pytest.fixture(scope="module")
def client(kubernetes_cluster: Cluster) -> Iterator[ApiClient]:
    with kubernetes_cluster.api.client() as client:
        yield client


def run(client: ApiClient, command: list[str], **container: Any) -> Any:
    """Run a pod that is based on the template of the cluster."""
    core: Any = CoreV1Api(client)
    template = core.read_namespaced_pod_template(task_environment.TEMPLATE, "default")
    spec = client.sanitize_for_serialization(template.template.spec)
    spec["containers"] = [{**spec["containers"][0], "command": command, **container}]
    return run_to_end(client, {**spec, "restartPolicy": "Never"})


def test_a_task_reads_its_inputs_and_writes_its_outputs(client: ApiClient, s3_server: S3Server, tmp_path: Path) -> None:
    filesystem, root = s3_server.filesystem(), f"s3://{BUCKET}/greeting"
    inputs = literals_pb2.LiteralMap()
    inputs.literals["name"].scalar.primitive.string_value = "Ada"
    filesystem.pipe_file(f"{root}/inputs.pb", inputs.SerializeToString())
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as code:
        code.add(PROGRAM, PROGRAM.name)
    filesystem.put_file(str(tmp_path / "code.tar.gz"), f"{root}/code.tar.gz")

    pod = run(
        client,
        [
            *("pyflyte-fast-execute", "--additional-distribution", f"{root}/code.tar.gz", "--dest-dir", "/tmp", "--"),
            *("pyflyte-execute", "--inputs", f"{root}/inputs.pb", "--output-prefix", f"{root}/out"),
            *("--raw-output-data-prefix", f"{root}/raw", "--checkpoint-path", f"{root}/checkpoints"),
            *("--prev-checkpoint", '""', "--resolver", "flytekit.core.python_auto_container.default_task_resolver"),
            *("--", "task-module", "greeting", "task-name", "greet"),
        ],
        env=[
            {"name": "FLYTE_AWS_ENDPOINT", "value": s3_server.url},
            {"name": "FLYTE_AWS_ACCESS_KEY_ID", "value": s3_server.settings()["key"]},
            {"name": "FLYTE_AWS_SECRET_ACCESS_KEY", "value": s3_server.settings()["secret"]},
        ],
    )

    assert pod.status.phase == "Succeeded", logs(client, pod)
    outputs = literals_pb2.LiteralMap.FromString(filesystem.cat_file(f"{root}/out/outputs.pb"))
    assert outputs.literals["o0"].scalar.primitive.string_value == "Hello, Ada!"


def test_a_task_cannot_write_to_the_checkout(client: ApiClient) -> None:
    folder = task_environment.mounted()[-1]

    pod = run(client, ["/bin/touch", f"{folder}/written-by-a-pod"])

    assert (pod.status.phase, "Read-only file system" in logs(client, pod)) == ("Failed", True)
