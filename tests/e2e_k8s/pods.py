"""Pods made with the official client."""

import secrets
from typing import Any

from kubernetes.client import ApiClient, CoreV1Api

from tests.fixtures.waiting import wait_until


def run_to_end(client: ApiClient, spec: dict[str, Any]) -> Any:
    """Run a pod in the default namespace, and return it when it has ended."""
    core: Any = CoreV1Api(client)
    name = f"pod-{secrets.token_hex(4)}"
    core.create_namespaced_pod("default", {"metadata": {"name": name}, "spec": spec})
    wait_until(lambda: core.read_namespaced_pod(name, "default").status.phase in ("Succeeded", "Failed"))
    return core.read_namespaced_pod(name, "default")


def logs(client: ApiClient, pod: Any) -> str:
    core: Any = CoreV1Api(client)
    return str(core.read_namespaced_pod_log(pod.metadata.name, "default"))
