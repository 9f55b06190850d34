"""A kube-apiserver with its etcd: all that tests need which run no container.

Admission, quotas, custom resources, watches and roles are real. Nothing else runs: there is no scheduler, no kubelet,
and no controller that would collect what has lost its owner, fill in the status of a quota, or create service accounts.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import kubernetes.client
import kubernetes.config

from clusters import programs
from clusters.identities import LOOPBACK, Identities
from clusters.processes import Server
from flytetemporal.cli.dev import ports

# Nobody routes to services: pods use the network of the host.
SERVICE_ADDRESSES = "10.255.255.0/24"
WITHOUT_CONTROLLERS = ("--disable-admission-plugins=ServiceAccount",)
"""Pods need no service account, which only the controller manager would create in a new namespace."""


class ApiServer:
    """An API server on a free port. What it stores survives ``kill`` and ``start``."""

    def __init__(self, folder: Path, *, options: Sequence[str] = WITHOUT_CONTROLLERS, detached: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.identities = Identities(folder / "identities")
        self._etcd_port, self._port = ports.free(), ports.free()
        self.identities.write_kubeconfigs(self.url)
        self._etcd = Server(self._etcd_command(folder), folder / "etcd.log", detached=detached)
        self._server = Server([*self._command(), *options], folder / "kube-apiserver.log", detached=detached)

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self._port}"

    def kubeconfig(self, user: str = "admin") -> Path:
        """Return a kubeconfig file of a user of ``identities.users``."""
        return self.identities.kubeconfig(user)

    def client(self, user: str = "admin") -> kubernetes.client.ApiClient:
        """Return a client of the official library; close it, or use it as a context."""
        client: kubernetes.client.ApiClient = kubernetes.config.new_client_from_config(str(self.kubeconfig(user)))
        return client

    def start(self) -> None:
        """Start what does not run, and return when the API server is ready."""
        if not self._etcd.pid:
            self._etcd.start()
        self._server.start()
        self._server.wait_until(self._ready, "the API server is ready")

    def kill(self) -> None:
        """Kill the API server alone, as when its machine loses power; ``start`` brings it back with all its objects.

        A watch that continues from a version of before is answered with 410 Gone, since the new process does not know
        what happened since then.
        """
        self._server.kill()

    @contextlib.contextmanager
    def gone(self) -> Iterator[None]:
        """Kill the API server, and start it again when the context is left."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Let the API server accept connections and answer nothing while the context is open."""
        with self._server.hanging():
            yield

    def stop(self) -> None:
        self._server.kill()
        self._etcd.kill()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", verify=False, timeout=2).is_success  # only asks
        except httpx.HTTPError:
            return False

    def _etcd_command(self, folder: Path) -> list[str]:
        url = f"http://{LOOPBACK}:{self._etcd_port}"
        peer = f"http://{LOOPBACK}:{ports.free()}"
        return [
            *(str(programs.path("etcd")), "--name=local", f"--data-dir={folder / 'etcd'}"),
            *(f"--listen-client-urls={url}", f"--advertise-client-urls={url}"),
            *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=local={peer}"),
            # No test cares for what a loss of power would lose.
            *("--unsafe-no-fsync", "--log-level=warn"),
        ]

    def _command(self) -> list[str]:
        identities = self.identities
        return [
            *(str(programs.path("kube-apiserver")), f"--etcd-servers=http://{LOOPBACK}:{self._etcd_port}"),
            *(f"--bind-address={LOOPBACK}", f"--advertise-address={LOOPBACK}", f"--secure-port={self._port}"),
            # The service "kubernetes" would need an address that is not of the loopback interface.
            *("--endpoint-reconciler-type=none", f"--service-cluster-ip-range={SERVICE_ADDRESSES}"),
            *(
                f"--tls-cert-file={identities.certificate('api-server')}",
                f"--tls-private-key-file={identities.key('api-server')}",
                f"--client-ca-file={identities.authority}",
                f"--token-auth-file={identities.tokens}",
                "--authorization-mode=Node,RBAC",
            ),
            *(
                f"--service-account-issuer={self.url}",
                f"--service-account-signing-key-file={identities.key('service-accounts')}",
                f"--service-account-key-file={identities.key('service-accounts')}",
            ),
            *(
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-certificate-authority={identities.authority}",
                f"--kubelet-client-certificate={identities.certificate('api-client')}",
                f"--kubelet-client-key={identities.key('api-client')}",
            ),
            "--allow-privileged",
            "--profiling=false",
        ]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """Run an API server that keeps its data in ``folder``."""
    server = ApiServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
