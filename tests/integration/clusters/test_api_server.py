"""The API server that tests get is a real one: it checks, limits, watches and forgets as any other."""

from typing import Any

import kubernetes.client
import kubernetes.watch
import pytest
from kubernetes.client import ApiClient, ApiException, CoreV1Api

from clusters import programs
from clusters.api_server import ApiServer
from tests.fixtures.waiting import wait_until

POD: Any = {
    "metadata": {"name": "hello"},
    "spec": {
        "restartPolicy": "Never",
        "containers": [{"name": "hello", "image": "hello:1", "resources": {"requests": {"cpu": "1"}}}],
    },
}
SUCCEEDED: Any = {"status": {"phase": "Succeeded", "conditions": [{"type": "Ready", "status": "False"}]}}


def events(client: ApiClient, namespace: str, version: str) -> list[tuple[str, Any]]:
    """Return what a watch of pods sends from ``version`` on, until nothing new happens for a second."""
    stream: Any = kubernetes.watch.Watch().stream(
        CoreV1Api(client).list_namespaced_pod, namespace, resource_version=version, timeout_seconds=1
    )
    return [(event["type"], event["object"].status.phase) for event in stream]


def test_it_is_the_version_that_was_asked_for(kubernetes_client: ApiClient) -> None:
    answer: Any = kubernetes.client.VersionApi(kubernetes_client).get_code()

    assert (answer.git_version, f"v{answer.major}.{answer.minor}.") == (
        programs.version(),
        programs.version().rpartition(".")[0] + ".",
    )


def test_a_watch_sees_a_pod_whose_status_is_patched_as_a_kubelet_does(
    kubernetes_client: ApiClient, kubernetes_namespace: str
) -> None:
    pods: Any = CoreV1Api(kubernetes_client)
    empty = pods.list_namespaced_pod(kubernetes_namespace).metadata.resource_version
    pods.create_namespaced_pod(kubernetes_namespace, POD)
    pods.patch_namespaced_pod_status("hello", kubernetes_namespace, SUCCEEDED)

    assert events(kubernetes_client, kubernetes_namespace, empty) == [("ADDED", "Pending"), ("MODIFIED", "Succeeded")]


def test_a_pod_above_the_quota_is_refused(kubernetes_client: ApiClient, kubernetes_namespace: str) -> None:
    pods: Any = CoreV1Api(kubernetes_client)
    hard: Any = {"hard": {"requests.cpu": "500m"}}
    pods.create_namespaced_resource_quota(kubernetes_namespace, {"metadata": {"name": "small"}, "spec": hard})
    # The controller manager would do this.
    status: Any = {"status": {**hard, "used": {"requests.cpu": "0"}}}
    pods.patch_namespaced_resource_quota_status("small", kubernetes_namespace, status)

    with pytest.raises(ApiException, match=r"exceeded quota: small, requested: requests\.cpu=1") as refused:
        pods.create_namespaced_pod(kubernetes_namespace, POD)
    assert refused.value.status == 403


def test_a_malformed_pod_is_refused_with_the_field(kubernetes_client: ApiClient, kubernetes_namespace: str) -> None:
    malformed: Any = {"metadata": {"name": "Not_A_Name"}, "spec": {"containers": []}}

    with pytest.raises(ApiException, match=r"spec\.containers: Required value") as refused:
        CoreV1Api(kubernetes_client).create_namespaced_pod(kubernetes_namespace, malformed)
    assert refused.value.status == 422


def test_a_guest_may_create_pods_once_it_is_bound_to_a_role(
    kubernetes_api: ApiServer, kubernetes_client: ApiClient, kubernetes_namespace: str
) -> None:
    # Not the role "edit" of the cluster: only the controller manager fills it.
    role: Any = {
        "metadata": {"name": "pods"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}],
    }
    binding: Any = {
        "metadata": {"name": "guest"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "pods"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "guest"}],
    }
    with kubernetes_api.client("guest") as guest:
        pods: Any = CoreV1Api(guest)
        with pytest.raises(ApiException, match='User \\\\"guest\\\\" cannot create resource') as refused:
            pods.create_namespaced_pod(kubernetes_namespace, POD)
        assert refused.value.status == 403

        roles: Any = kubernetes.client.RbacAuthorizationV1Api(kubernetes_client)
        roles.create_namespaced_role(kubernetes_namespace, role)
        roles.create_namespaced_role_binding(kubernetes_namespace, binding)
        # The authorizer reads roles from a watch of its own, a moment later.
        wait_until(lambda: may_create_pods(guest, kubernetes_namespace))

        assert pods.create_namespaced_pod(kubernetes_namespace, POD).status.phase == "Pending"


def may_create_pods(client: ApiClient, namespace: str) -> bool:
    attributes = {"namespace": namespace, "verb": "create", "resource": "pods"}
    review: Any = {"spec": {"resourceAttributes": attributes}}
    answer: Any = kubernetes.client.AuthorizationV1Api(client).create_self_subject_access_review(review)
    return bool(answer.status.allowed)


def test_objects_survive_a_killed_server_and_old_watches_are_gone(
    kubernetes_api: ApiServer, kubernetes_client: ApiClient, kubernetes_namespace: str
) -> None:
    pods: Any = CoreV1Api(kubernetes_client)
    empty = pods.list_namespaced_pod(kubernetes_namespace).metadata.resource_version
    pods.create_namespaced_pod(kubernetes_namespace, POD)

    with kubernetes_api.gone(), pytest.raises(Exception, match="Connection refused"):
        pods.list_namespaced_pod(kubernetes_namespace)

    assert [pod.metadata.name for pod in pods.list_namespaced_pod(kubernetes_namespace).items] == ["hello"]
    with pytest.raises(ApiException, match="too old resource version") as expired:
        events(kubernetes_client, kubernetes_namespace, empty)
    assert expired.value.status == 410


def test_a_custom_resource_is_served_with_its_status(kubernetes_client: ApiClient, kubernetes_namespace: str) -> None:
    group = f"{kubernetes_namespace}.example.org"
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        "subresources": {"status": {}},
    }
    spec: Any = {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": "trains", "singular": "train", "kind": "Train"},
        "versions": [version],
    }
    definitions: Any = kubernetes.client.ApiextensionsV1Api(kubernetes_client)
    definitions.create_custom_resource_definition({"metadata": {"name": f"trains.{group}"}, "spec": spec})
    wait_until(lambda: is_established(definitions, f"trains.{group}"))
    trains: Any = kubernetes.client.CustomObjectsApi(kubernetes_client)
    place = (group, "v1", kubernetes_namespace, "trains")

    made = {"apiVersion": f"{group}/v1", "kind": "Train", "metadata": {"name": "first"}, "spec": {"cars": 3}}
    trains.create_namespaced_custom_object(*place, made)
    trains.patch_namespaced_custom_object_status(*place, "first", {"spec": {"cars": 4}, "status": {"state": "Running"}})

    train = trains.get_namespaced_custom_object(*place, "first")
    assert (train["spec"], train["status"]) == ({"cars": 3}, {"state": "Running"})


def is_established(definitions: Any, name: str) -> bool:
    conditions = definitions.read_custom_resource_definition(name).status.conditions or []
    return any(condition.type == "Established" and condition.status == "True" for condition in conditions)
