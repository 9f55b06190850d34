"""A node: containerd and a kubelet, with everything that they write below one folder."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from clusters import images, machine, programs, task_environment
from clusters.identities import LOOPBACK, NODE, Identities
from clusters.problems import ClusterError
from clusters.processes import Server
from flytetemporal.cli.dev import ports

# Pods use the network of the host. The kubelet says that a node is ready only if containerd has some configuration of a
# pod's network: a pod that asks for its own network stays pending, and its events say that this one does not exist.
_NETWORK = '{"cniVersion": "0.4.0", "name": "pods-must-use-the-network-of-the-host", "plugins": [{"type": "none"}]}'
_CONTAINERD = """
version = 2
root = "{folder}/root"
state = "{folder}/state"

[grpc]
address = "{folder}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# A machine may lack the right to lower the score of a process. Without this, no pod would start there.
restrict_oom_score_adj = true
stream_server_address = "{loopback}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{folder}/network"
conf_dir = "{folder}/network"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
Root = "{folder}/runc"
SystemdCgroup = false
"""


class Node:
    """The only node of a cluster, named as in ``identities.NODE``."""

    def __init__(self, folder: Path, identities: Identities, *, detached: bool = False) -> None:
        self._folder = folder
        self._identities = identities
        self._containerd = Server(
            [_on_path("containerd"), f"--config={folder / 'containerd/config.toml'}"],
            folder / "containerd.log",
            detached=detached,
        )
        self.kubelet = Server(
            [
                *(str(programs.path("kubelet")), f"--config={folder / 'kubelet/config.yaml'}"),
                *(f"--kubeconfig={identities.kubeconfig('node')}", f"--root-dir={folder / 'kubelet'}"),
                f"--hostname-override={NODE}",
                # It takes no loopback address as an option, but with this one it leaves those alone that the node has.
                "--cloud-provider=external",
            ],
            folder / "kubelet.log",
            detached=detached,
        )

    def start(self) -> None:
        """Start containerd with its images, then the kubelet. When the node is ready, the API server knows."""
        self._configure_containerd()
        self._containerd.start()
        self._containerd.wait_until(lambda: self._ctr("version").returncode == 0, "containerd answers")
        archive = self._folder / "busybox.tar"
        all_images = [images.BUSYBOX, images.PAUSE, task_environment.image()]
        images.write_busybox(Path(_on_path("busybox")), archive, all_images)
        self.load(archive)
        archive.unlink()
        self._configure_kubelet()
        self.kubelet.start()

    def load(self, archive: Path) -> None:
        """Make the images of an archive available to pods, whose pull policy must not be Always.

        Raises:
            ClusterError: containerd refuses it.
        """
        done = self._ctr("images", "import", str(archive))
        if done.returncode != 0:
            raise ClusterError(f"containerd cannot import {archive}: {done.stderr.strip()}")

    def _ctr(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [_on_path("ctr"), f"--address={self._folder / 'containerd/containerd.sock'}", "--namespace=k8s.io"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    def _configure_containerd(self) -> None:
        folder = self._folder / "containerd"
        (folder / "network").mkdir(parents=True, exist_ok=True)
        (folder / "network" / "none.conflist").write_text(_NETWORK)
        text = _CONTAINERD.format(folder=folder, pause=images.PAUSE.name, loopback=LOOPBACK)
        (folder / "config.toml").write_text(text)

    def _configure_kubelet(self) -> None:
        folder = self._folder / "kubelet"
        folder.mkdir(exist_ok=True)
        machine.make_cgroup(cgroup(self._folder))
        (folder / "config.yaml").write_text(yaml.safe_dump(self._kubelet_settings(folder)))

    def _kubelet_settings(self, folder: Path) -> dict[str, Any]:
        identities = self._identities
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": LOOPBACK,
            "port": ports.free(),
            "healthzPort": 0,
            "tlsCertFile": str(identities.certificate("kubelet")),
            "tlsPrivateKeyFile": str(identities.key("kubelet")),
            "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(identities.authority)}},
            "containerRuntimeEndpoint": f"unix://{self._folder / 'containerd/containerd.sock'}",
            "podLogsDir": str(folder / "pod-logs"),
            "volumePluginDir": str(folder / "volume-plugins"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup(self._folder)}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "enforceNodeAllocatable": [],
            # The disk of a developer may be nearly full.
            "evictionHard": {f"{signal}.available": "0%" for signal in ("memory", "nodefs", "imagefs")},
            "imageGCHighThresholdPercent": 100,
            "maxPods": 250,
            # Pods that ask for little of a processor are many, and none of them is held back for it.
            "cpuCFSQuota": False,
        }


def cgroup(folder: Path) -> str:
    """Return the name of the cgroup of all pods of the node in ``folder``."""
    return f"k8s-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _on_path(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise ClusterError(f"{name} is not on the PATH; use apt-get install {machine.PROGRAMS[name]}")
    return found
