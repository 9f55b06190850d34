"""Where pods run, and what nodes must have for them."""

from typing import Any

import pytest
from flyteidl.core import tasks_pb2, workflow_pb2

from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import Rejected
from tests.unit.plugins.pods.attempts import built, pod_task, resources, task

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
SPOT = {"key": "spot", "operator": "Exists", "effect": "NoSchedule"}
DEFAULT = {"key": "team", "operator": "Exists"}
OWN = {"key": "own", "operator": "Exists"}
ON_SPOT = {"key": "spot", "operator": "In", "values": ["yes"]}
NOT_ON_SPOT = {"key": "spot", "operator": "DoesNotExist"}
SETTINGS = {
    "default_tolerations": [DEFAULT],
    "interruptible_tolerations": [SPOT],
    "default_node_selector": {"a": "default", "b": "default"},
    "interruptible_node_selector": {"c": "spot"},
    "interruptible_node_selector_requirement": ON_SPOT,
    "non_interruptible_node_selector_requirement": NOT_ON_SPOT,
}
GPU_LABEL, SIZE_LABEL = "k8s.amazonaws.com/accelerator", "k8s.amazonaws.com/gpu-partition-size"
Accelerator = tasks_pb2.GPUAccelerator


def one(**spec: Any) -> tasks_pb2.TaskTemplate:
    return pod_task({"containers": [{"name": "main"}], **spec})


def terms(pod: Json) -> Any:
    return pod["spec"].get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED, {}).get("nodeSelectorTerms")


@pytest.mark.parametrize(
    ("interruptible", "tolerations", "selector", "requirement"),
    [
        (False, [DEFAULT, OWN], {"a": "own", "b": "default"}, NOT_ON_SPOT),
        (True, [SPOT, DEFAULT, OWN], {"a": "own", "b": "default", "c": "spot"}, ON_SPOT),
    ],
)
def test_interruptible_attempts_run_on_spot_nodes(
    interruptible: bool, tolerations: list[Json], selector: Json, requirement: Json
) -> None:
    pod = built(one(tolerations=[OWN], nodeSelector={"a": "own"}), SETTINGS, interruptible=interruptible)

    assert pod["spec"]["tolerations"] == tolerations
    assert pod["spec"]["nodeSelector"] == selector
    assert terms(pod) == [{"matchExpressions": [requirement]}]
    assert pod["metadata"]["labels"]["interruptible"] == str(interruptible).lower()


def test_requirements_are_added_to_every_term() -> None:
    own = [{"matchExpressions": [{"key": "x", "operator": "Exists"}]}, {"matchFields": []}]

    pod = built(one(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": own}}}), SETTINGS)

    assert [term["matchExpressions"][-1] for term in terms(pod)] == [NOT_ON_SPOT, NOT_ON_SPOT]
    assert terms(pod)[0]["matchExpressions"][0]["key"] == "x"


@pytest.mark.parametrize(
    ("setting", "field", "default", "own"),
    [
        ("scheduler_name", "schedulerName", "mine", "own"),
        ("default_affinity", "affinity", {"podAffinity": {"a": "b"}}, {"podAntiAffinity": {"c": "d"}}),
        ("default_pod_security_context", "securityContext", {"runAsUser": 1}, {"runAsUser": 2}),
        ("default_pod_dns_config", "dnsConfig", {"options": [1]}, {"options": [2]}),
    ],
)
def test_defaults_apply_only_where_the_pod_has_nothing(setting: str, field: str, default: Any, own: Any) -> None:
    assert built(one(), {setting: default})["spec"][field] == default
    assert built(one(**{field: own}), {setting: default})["spec"][field] == own


@pytest.mark.parametrize(("setting", "expected"), [(None, True), (False, False), (True, True)])
def test_the_host_network_is_overwritten_if_it_is_set(setting: bool | None, expected: bool) -> None:
    pod = built(one(hostNetwork=True), {"enable_host_networking_pod": setting})

    assert pod["spec"]["hostNetwork"] is expected


def test_the_security_context_of_the_settings_is_for_the_primary_container() -> None:
    two = pod_task({"containers": [{"name": "main"}, {"name": "side"}]})

    main, side = built(two, {"default_security_context": {"runAsUser": 1}})["spec"]["containers"]

    assert (main["securityContext"], side.get("securityContext")) == ({"runAsUser": 1}, None)


def test_a_resource_brings_its_tolerations() -> None:
    template = task()
    template.container.resources.CopyFrom(resources({}, {tasks_pb2.Resources.GPU: "1"}))
    wanted = {"resource_tolerations": {"nvidia.com/gpu": [OWN], "other": [SPOT]}}

    assert built(template, wanted)["spec"]["tolerations"] == [OWN]
    assert "tolerations" not in built(task(), wanted)["spec"]


@pytest.mark.parametrize(
    ("accelerator", "requirements", "tolerated"),
    [
        (Accelerator(device="t4"), [{"key": GPU_LABEL, "operator": "In", "values": ["t4"]}], [(GPU_LABEL, "t4")]),
        (
            Accelerator(device="a100", partition_size="1g.5gb"),
            [
                {"key": GPU_LABEL, "operator": "In", "values": ["a100"]},
                {"key": SIZE_LABEL, "operator": "In", "values": ["1g.5gb"]},
            ],
            [(GPU_LABEL, "a100"), (SIZE_LABEL, "1g.5gb")],
        ),
        (Accelerator(unpartitioned=True), [{"key": SIZE_LABEL, "operator": "DoesNotExist"}], []),
        (Accelerator(unpartitioned=False), None, []),
    ],
)
def test_an_accelerator_restricts_the_nodes(
    accelerator: tasks_pb2.GPUAccelerator, requirements: Any, tolerated: list[tuple[str, str]]
) -> None:
    template = task(extended_resources=tasks_pb2.ExtendedResources(gpu_accelerator=accelerator))
    template.container.resources.CopyFrom(resources({}, {tasks_pb2.Resources.GPU: "1"}))

    pod = built(template)

    assert terms(pod) == (None if requirements is None else [{"matchExpressions": requirements}])
    assert pod["spec"].get("tolerations", []) == [
        {"key": key, "operator": "Equal", "value": value, "effect": "NoSchedule"} for key, value in tolerated
    ]


def test_an_accelerator_of_the_node_replaces_that_of_the_task_and_none_applies_without_gpus() -> None:
    template = task(extended_resources=tasks_pb2.ExtendedResources(gpu_accelerator=Accelerator(device="t4")))
    mine = tasks_pb2.ExtendedResources(gpu_accelerator=Accelerator(device="l4"))
    overrides = workflow_pb2.TaskNodeOverrides(extended_resources=mine)
    assert terms(built(template, overrides=overrides)) is None

    template.container.resources.CopyFrom(resources({}, {tasks_pb2.Resources.GPU: "1"}))

    assert terms(built(template, overrides=overrides))[0]["matchExpressions"][0]["values"] == ["l4"]


def with_shared_memory(**fields: str) -> tasks_pb2.TaskTemplate:
    template = pod_task(
        {
            "containers": [{"name": "main", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "cache"}],
        }
    )
    template.extended_resources.shared_memory.CopyFrom(tasks_pb2.SharedMemory(**fields))
    return template


def test_shared_memory_is_a_volume_in_memory() -> None:
    found = built(with_shared_memory(mount_name="shm", mount_path="/dev/shm", size_limit="2Gi"))["spec"]

    assert found["volumes"][-1] == {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}
    assert found["containers"][0]["volumeMounts"][-1] == {"name": "shm", "mountPath": "/dev/shm"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"mount_path": "/x"}, "needs a mount name"),
        ({"mount_name": "x"}, "needs a mount name and a mount path"),
        ({"mount_name": "cache", "mount_path": "/x"}, r"volume \[cache\], which the pod already has"),
        ({"mount_name": "data", "mount_path": "/x"}, "already has a mount"),
        ({"mount_name": "x", "mount_path": "/data"}, "already has a mount"),
        ({"mount_name": "x", "mount_path": "/x", "size_limit": "big"}, "not a quantity"),
    ],
)
def test_shared_memory_that_does_not_fit_is_refused(fields: dict[str, str], problem: str) -> None:
    with pytest.raises(Rejected, match=problem):
        built(with_shared_memory(**fields))
