"""A cluster leaves nothing on the machine, even if what started it was killed."""

import subprocess
import sys
from pathlib import Path

import pytest

from clusters import cluster, machine
from clusters.node import cgroup
from tests.fixtures.waiting import HANG_SECONDS

# It starts a cluster and a pod, says so, and waits to be killed.
PROGRAM = """
import sys, time
from pathlib import Path
from kubernetes.client import CoreV1Api
from clusters import images
from clusters.cluster import Cluster
started = Cluster(Path(sys.argv[1]))
started.start()
core = CoreV1Api(started.api.client())
container = {"name": "main", "image": images.BUSYBOX.name, "command": ["sleep", "1000"]}
spec = {"hostNetwork": True, "containers": [container]}
core.create_namespaced_pod("default", {"metadata": {"name": "sleeper"}, "spec": spec})
while core.read_namespaced_pod("sleeper", "default").status.phase != "Running":
    time.sleep(0.1)
print("running", flush=True)
time.sleep(1000)
"""


@pytest.mark.usefixtures("kubernetes_cluster")
def test_nothing_stays_of_a_cluster_whose_parent_was_killed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path(f"/tmp/k8s-{tmp_path_factory.getbasetemp().name}-killed")
    before = machine.kernel_settings()
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "running\n"
        parent.kill()
        parent.wait(HANG_SECONDS)
    assert machine.processes_of(folder, ["containerd-shim-runc-v2"]) != []

    cluster.remove(folder)

    assert machine.processes_of(folder, [*cluster.PROGRAMS, "containerd", "containerd-shim-runc-v2"]) == []
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()
    assert list(Path("/sys/fs/cgroup").glob(f"**/{cgroup(folder)}")) == []
    assert machine.kernel_settings() == before
    assert not folder.exists()
