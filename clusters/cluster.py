"""A whole cluster with one node on this machine: its folder has all that it writes, its processes are known by it."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes.client

from clusters import machine, programs, task_environment
from clusters.api_server import ApiServer
from clusters.identities import LOOPBACK, NODE
from clusters.node import Node, cgroup
from clusters.problems import ClusterError
from clusters.processes import Server

PROGRAMS = (*programs.API_SERVER, "kube-controller-manager", "kube-scheduler", "kubelet")
_SHIM = "containerd-shim-runc-v2"
_NO_PROVIDER = "node.cloudprovider.kubernetes.io/uninitialized"
_MARKER = "kernel-settings.json"


class Cluster:
    """API server, controllers, scheduler and a node; pods use the network of the host."""

    def __init__(self, folder: Path, *, detached: bool = False) -> None:
        """Remove what an earlier cluster has left in ``folder``, which may not be anything else.

        Raises:
            ClusterError: something is missing here, or in the cache of programs.
        """
        machine.check(folder)
        if reason := programs.problem(PROGRAMS):
            raise ClusterError(reason)
        remove(folder)
        folder.mkdir(parents=True)
        (folder / _MARKER).write_text(json.dumps(machine.kernel_settings()))
        self.folder = folder
        self.api = ApiServer(folder, options=(), detached=detached)
        self.node = Node(folder, self.api.identities, detached=detached)
        self._controllers = [
            Server(
                [
                    *(str(programs.path(name)), f"--kubeconfig={self.api.kubeconfig(user)}"),
                    *("--leader-elect=false", "--secure-port=0", *options),
                ],
                folder / f"{name}.log",
                detached=detached,
            )
            for name, user, options in (
                ("kube-controller-manager", "controller-manager", self._controller_options()),
                ("kube-scheduler", "scheduler", []),
            )
        ]

    def _controller_options(self) -> list[str]:
        identities = self.api.identities
        return [
            "--use-service-account-credentials",
            f"--service-account-private-key-file={identities.key('service-accounts')}",
            f"--root-ca-file={identities.authority}",
        ]

    def start(self) -> None:
        """Start everything, and return when a pod can run.

        Raises:
            ClusterError: something ended or is late. Nothing runs then, and the logs stay.
        """
        try:
            self._start()
        except BaseException:
            stop(self.folder)
            raise

    def _start(self) -> None:
        self.api.start()
        for server in self._controllers:
            server.start()
        self.node.start()
        with self.api.client() as client:
            core = kubernetes.client.CoreV1Api(client)
            self.node.kubelet.wait_until(lambda: _is_ready(core), "the node is ready")
            self._controllers[0].wait_until(lambda: _has_service_account(core), "pods have a service account")
            template: Any = task_environment.pod_template()
            core.create_namespaced_pod_template("default", template)


def _is_ready(core: kubernetes.client.CoreV1Api) -> bool:
    """Whether the node takes pods; once it is known, do what the provider of a cloud does.

    The address is the one at which the API server finds the kubelet.
    """
    nodes: Any = core.list_node()
    for node in nodes.items:
        if not any(address.address == LOOPBACK for address in node.status.addresses or ()):
            addresses: Any = {"status": {"addresses": [{"type": "InternalIP", "address": LOOPBACK}]}}
            core.patch_node_status(NODE, addresses)
            taints: Any = {"spec": {"taints": [taint for taint in node.spec.taints or () if taint.key != _NO_PROVIDER]}}
            core.patch_node(NODE, taints)
    conditions = [condition for node in nodes.items for condition in node.status.conditions or ()]
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)


def _has_service_account(core: kubernetes.client.CoreV1Api) -> bool:
    accounts: Any = core.list_namespaced_service_account("default")
    return bool(accounts.items)


def remove(folder: Path) -> None:
    """Stop what runs of a cluster, and remove all that it has left on this machine.

    Raises:
        ClusterError: the folder is that of something else.
    """
    if folder.exists() and any(folder.iterdir()):
        stop(folder)
        shutil.rmtree(folder)


def stop(folder: Path) -> None:
    """Stop what runs of a cluster; its folder stays, with the logs. Works also after its parent was killed.

    Raises:
        ClusterError: the folder is that of something else.
    """
    marker = folder / _MARKER
    if not marker.exists():
        raise ClusterError(f"{folder} is not the folder of a cluster; remove it, or choose another one")
    # The kubelet first, which would start pods again; then the pods, whose shims would otherwise outlive them.
    machine.kill_all(machine.processes_of(folder, ["kubelet"]))
    machine.remove_cgroup(cgroup(folder))
    machine.kill_all(machine.processes_of(folder, [*PROGRAMS, "containerd", _SHIM]))
    machine.unmount_below(folder)
    machine.unlink_logs(folder)
    machine.restore(json.loads(marker.read_text()))


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Run a cluster with its data in ``folder``, and leave nothing behind."""
    cluster = Cluster(folder)
    cluster.start()
    try:
        yield cluster
    finally:
        remove(folder)
