"""The pod of an attempt, as a whole and part by part."""

from typing import Any

import pytest
from flyteidl.core import literals_pb2, security_pb2, tasks_pb2, types_pb2, workflow_pb2

from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.pods import naming
from flytetemporal.plugins.protocol import Rejected
from tests.unit.plugins.pods.attempts import built, pod_task, resources, struct, task, variables

CPU, MEMORY, GPU = tasks_pb2.Resources.CPU, tasks_pb2.Resources.MEMORY, tasks_pb2.Resources.GPU
STORAGE, DISK = tasks_pb2.Resources.STORAGE, tasks_pb2.Resources.EPHEMERAL_STORAGE
DEFAULTS = {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "1024Mi"}}
TWO: Json = {
    "containers": [
        {"name": "side", "image": "side:1", "args": ["--watch", "{{.outputPrefix}}"]},
        {"name": "main", "image": "main:1", "command": ["go", "{{.inputs.x}}"], "ports": [{"containerPort": 80}]},
    ]
}


def spec(pod: Json) -> Json:
    found: Json = pod["spec"]
    return found


def container(pod: Json, name: str = "") -> Json:
    found: Json = next(one for one in pod["spec"]["containers"] if not name or one["name"] == name)
    return found


def environment(one: Json) -> dict[str, Any]:
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in one["env"]}


def test_a_container_becomes_a_pod_of_one_container() -> None:
    pod = built(task())

    assert spec(pod)["restartPolicy"] == "Never"
    only = container(pod)
    assert {name: only[name] for name in only if name != "env"} == {
        "name": "e1-n0-0",
        "image": "acme/train:1",
        "command": ["run"],
        "args": ["x"],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": DEFAULTS,
    }
    assert pod["metadata"] == {
        "name": "e1-n0-0",
        "namespace": "p-d",
        "labels": {
            "domain": "d",
            "execution-id": "e1",
            "project": "p",
            "workflow-name": "flows.wf",
            "node-id": "n0",
            "task-name": "flows.train",
            "interruptible": "false",
            "app.kubernetes.io/managed-by": "flytetemporal",
            "flytetemporal.io/lease": "worker-1",
            "flytetemporal.io/home": "flyte",
        },
        "annotations": {
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "primary_container_name": "e1-n0-0",
            "flytetemporal.io/attempt": "p/d/e1-n0-0",
            "flytetemporal.io/start": "start-1",
            "flytetemporal.io/started-at": "2026-01-01T12:00:00+00:00",
        },
    }


@pytest.mark.parametrize(
    ("generated", "expected"),
    [
        ("e1-n0-0", "e1-n0-0"),
        ("a.b-n0-0", "a.b-n0-0"),
        ("e1-trainModel-0", "e1-train-model-0-"),
        ("e1-n_0-0", "e1-n0-0-"),
        ("-e1-", "e1-"),
        ("___", "a-"),
    ],
)
def test_the_name_of_a_pod_is_one_that_kubernetes_accepts(generated: str, expected: str) -> None:
    name = naming.pod_name(generated)

    assert name == expected if name == generated else (name.startswith(expected) and len(name) == len(expected) + 10)


def test_names_that_differ_only_in_what_kubernetes_refuses_are_names_of_two_pods() -> None:
    assert len({naming.pod_name(name) for name in ("e1-n_0-0", "e1-n0-0", "e1-N_0-0", "e1-n-0-0")}) == 4
    assert len(naming.pod_name("X" * 400)) <= 253


def test_a_name_that_no_container_can_have_is_replaced() -> None:
    assert container(built(task(), name="a.b-n0-0"))["name"] == "task"


def test_containers_of_a_pod_have_their_commands_rendered_and_flytes_variables() -> None:
    pod = built(pod_task(TWO), inputs={"x": "7"})

    assert container(pod, "main")["command"] == ["go", "7"]
    assert container(pod, "side")["args"] == ["--watch", "s3://b/meta/n0/data/0"]
    assert container(pod, "main")["ports"] == [{"containerPort": 80}]
    assert environment(container(pod, "side"))["FLYTE_INTERNAL_EXECUTION_ID"] == "e1"
    assert container(pod, "main")["resources"] == DEFAULTS
    assert "resources" not in container(pod, "side")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (pod_task(TWO, primary=""), "names no primary container"),
        (pod_task(TWO, primary="other"), r"primary container \[other\], but its pod has only \['side', 'main'\]"),
        (pod_task({}), "no pod spec with a list of containers"),
        (pod_task({"containers": ["x"]}), "no pod spec with a list of containers"),
        (task("sidecar", task_type_version=0), "no pod spec"),
        (tasks_pb2.TaskTemplate(type="x", sql=tasks_pb2.Sql()), "neither a container nor a pod, but target sql"),
        (task(container=tasks_pb2.Container(args=["x"])), "names no image"),
        (pod_task({"containers": [{"name": "main", "args": ["{{.inputs.nope}}"]}]}), r"no such input"),
    ],
)
def test_a_pod_that_cannot_be_built_is_refused_with_its_reason(template: tasks_pb2.TaskTemplate, problem: str) -> None:
    with pytest.raises(Rejected, match=problem) as refused:
        built(template, inputs={"x": "7"})

    assert refused.value.code == "BadTaskSpecification"


@pytest.mark.parametrize(
    "template",
    [
        task(
            "sidecar",
            container=None,
            task_type_version=0,
            custom=struct({"podSpec": TWO, "primaryContainerName": "main", "labels": {"a": "b"}}),
        ),
        task(
            "sidecar",
            container=None,
            task_type_version=1,
            custom=struct(TWO),
            config={"primary_container_name": "main"},
            k8s_pod=tasks_pb2.K8sPod(metadata=tasks_pb2.K8sObjectMetadata(labels={"a": "b"})),
        ),
    ],
)
def test_sidecars_of_old_versions_are_pods_too(template: tasks_pb2.TaskTemplate) -> None:
    pod = built(template, inputs={"x": "7"})

    assert container(pod, "main")["command"] == ["go", "7"]
    assert pod["metadata"]["labels"]["a"] == "b"
    assert pod["metadata"]["annotations"]["primary_container_name"] == "main"


@pytest.mark.parametrize(
    ("kind", "containers", "primary"),
    [("python-task", 1, True), ("python-task", 2, False), ("sidecar", 2, True), ("raw-container", 1, False)],
)
def test_a_pod_ends_with_its_primary_container_if_it_is_a_sidecar_or_has_no_other(
    kind: str, containers: int, primary: bool
) -> None:
    pod = built(pod_task({"containers": TWO["containers"][-containers:]}, kind=kind), inputs={"x": "7"})

    assert ("primary_container_name" in pod["metadata"]["annotations"]) is primary


def test_the_pod_of_a_node_replaces_that_of_its_task() -> None:
    override = tasks_pb2.K8sPod(
        pod_spec=struct({"containers": [{"name": "mine", "image": "mine:1"}], "hostname": "h"}),
        primary_container_name="mine",
        metadata=tasks_pb2.K8sObjectMetadata(annotations={"a": "b"}),
    )

    pod = built(task(), overrides=workflow_pb2.TaskNodeOverrides(pod_template=override))

    assert [one["name"] for one in spec(pod)["containers"]] == ["mine"]
    assert spec(pod)["hostname"] == "h"
    assert pod["metadata"]["annotations"]["a"] == "b"


@pytest.mark.parametrize(
    ("own", "override", "requests", "limits"),
    [
        (resources({}, {}), {}, {}, {}),
        (resources({CPU: "2"}, {}), {}, {"cpu": "2"}, {"cpu": "2"}),
        (resources({}, {CPU: "2"}), {}, {"cpu": "2"}, {"cpu": "2"}),
        (resources({CPU: "500m"}, {CPU: "2"}), {}, {"cpu": "500m"}, {"cpu": "2"}),
        (resources({MEMORY: "4Gi"}, {}), {MEMORY: "2Gi"}, {"memory": "2Gi"}, {"memory": "2Gi"}),
        (resources({GPU: "1"}, {}), {}, {"nvidia.com/gpu": "1"}, {"nvidia.com/gpu": "1"}),
        (resources({DISK: "1Gi"}, {}), {}, {"ephemeral-storage": "1Gi"}, {"ephemeral-storage": "1Gi"}),
        (resources({STORAGE: "1Gi", CPU: "0"}, {}), {}, {}, {}),
    ],
)
def test_resources_are_completed(
    own: tasks_pb2.Resources, override: dict[int, str], requests: dict[str, str], limits: dict[str, str]
) -> None:
    template = task()
    template.container.resources.CopyFrom(own)

    pod = built(template, overrides=workflow_pb2.TaskNodeOverrides(resources=resources({}, override)))

    expected = {"requests": {**DEFAULTS["requests"], **requests}, "limits": {**DEFAULTS["limits"], **limits}}
    assert container(pod)["resources"] == expected


def test_memory_that_was_raised_precedes_what_the_pod_asks_for() -> None:
    asked = {"limits": {"memory": "1Gi"}, "requests": {"memory": "512Mi"}}

    pod = built(pod_task({"containers": [{"name": "main", "resources": asked}]}), memory_bytes=2 * 1024**3)

    assert container(pod)["resources"]["limits"]["memory"] == "2Gi"
    assert container(pod)["resources"]["requests"]["memory"] == "2Gi"


def test_resources_of_other_containers_stay_and_gpus_get_the_clusters_name() -> None:
    side = {"name": "side", "resources": {"limits": {"gpu": "1"}}}

    pod = built(pod_task({"containers": [{"name": "main"}, side]}), {"gpu_resource_name": "amd.com/gpu"})

    assert container(pod, "side")["resources"] == {"limits": {"amd.com/gpu": "1"}}


def test_a_value_that_is_no_quantity_is_refused() -> None:
    asked = {"name": "main", "resources": {"limits": {"memory": "much"}}}

    with pytest.raises(Rejected, match=r"\[much\] is not a quantity"):
        built(pod_task({"containers": [asked]}))


def test_later_variables_win_and_come_last() -> None:
    template = task()
    template.container.env.append(literals_pb2.KeyValuePair(key="A", value="task"))
    settings = execution_pb2.ExecutionSettings(namespace="p-d")
    settings.envs.values.append(literals_pb2.KeyValuePair(key="A", value="execution"))

    pod = built(
        template,
        {
            "default_env_vars": {"B": "default"},
            "default_env_vars_from_env": {"C": "MY_C", "D": "MY_D"},
            "default_env_from_secrets": ["s"],
            "default_env_from_configmaps": ["c"],
        },
        environment={"MY_C": "worker"},
        settings=settings,
    )

    found = environment(container(pod))
    assert {name: found.get(name) for name in "ABCD"} == {"A": "execution", "B": "default", "C": "worker", "D": None}
    assert found["FLYTE_INTERNAL_TASK_NAME"] == "flows.train"
    assert container(pod)["envFrom"] == [
        {"secretRef": {"name": "s", "optional": True}},
        {"configMapRef": {"name": "c", "optional": True}},
    ]


def test_labels_and_annotations_of_the_execution_precede_those_of_the_task_and_the_settings() -> None:
    template = task()
    for values in (template.metadata.metadata.labels, template.metadata.metadata.annotations):
        values.update({"a": "task", "b": "task"})
    settings = execution_pb2.ExecutionSettings(namespace="p-d")
    settings.labels.values["b"] = settings.annotations.values["b"] = "execution"
    defaults = {"a": "default", "c": "default"}

    found = built(template, {"default_labels": defaults, "default_annotations": defaults}, settings=settings)[
        "metadata"
    ]

    for kind in ("labels", "annotations"):
        assert {name: found[kind][name] for name in "abc"} == {"a": "task", "b": "execution", "c": "default"}


def test_no_label_of_the_execution_hides_whose_pod_it_is() -> None:
    settings = execution_pb2.ExecutionSettings(namespace="p-d")
    settings.labels.values["flytetemporal.io/lease"] = settings.labels.values["execution-id"] = "mine"

    labels = built(task(), settings=settings)["metadata"]["labels"]

    assert (labels["flytetemporal.io/lease"], labels["execution-id"]) == ("worker-1", "e1")


def test_service_accounts_and_pull_secrets() -> None:
    settings = execution_pb2.ExecutionSettings(namespace="p-d")
    settings.security_context.run_as.k8s_service_account = "of-execution"
    own = security_pb2.SecurityContext(run_as=security_pb2.Identity(k8s_service_account="of-task"))

    assert "serviceAccountName" not in spec(built(task()))
    assert spec(built(task(), settings=settings))["serviceAccountName"] == "of-execution"
    assert spec(built(task(security_context=own), settings=settings))["serviceAccountName"] == "of-task"
    pull = spec(
        built(pod_task({**TWO, "imagePullSecrets": [{"name": "b"}]}), {"image_pull_secrets": ["a"]}, inputs={"x": ""})
    )
    assert pull["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]


def test_an_image_of_the_node_replaces_that_of_the_primary_container() -> None:
    override = workflow_pb2.TaskNodeOverrides(container_image="other:2")

    pod = built(pod_task(TWO), overrides=override, inputs={"x": ""})

    assert [one["image"] for one in spec(pod)["containers"]] == ["side:1", "other:2"]
    assert container(built(task(), overrides=override))["image"] == "other:2"


def test_a_raw_container_gets_side_containers_that_stage_its_data() -> None:
    template = task("raw-container")
    template.container.data_config.CopyFrom(
        tasks_pb2.DataLoadingConfig(enabled=True, input_path="/in", format=tasks_pb2.DataLoadingConfig.YAML)
    )
    template.interface.inputs.CopyFrom(variables(x=types_pb2.INTEGER))
    template.interface.outputs.CopyFrom(variables(y=types_pb2.STRING))

    found = spec(built(template, {"copilot_image": "copilot:1"}))

    uploader, downloader = found["initContainers"]
    assert (uploader["name"], uploader["restartPolicy"]) == ("flyte-copilot-uploader", "Always")
    assert uploader["args"][:6] == [
        "copilot",
        "upload",
        "--after-sigterm",
        "--from-local-dir",
        "/var/flyte/outputs",
        "--to-output-prefix",
    ]
    assert downloader["args"] == [
        *("copilot", "download", "--from-remote", "s3://b/meta/n0/data/inputs.pb", "--to-local-dir", "/in"),
        *("--format", "YAML"),
    ]
    assert {one["name"] for one in found["volumes"]} == {"flyte-inputs", "flyte-outputs"}
    assert {one["mountPath"] for one in found["containers"][0]["volumeMounts"]} == {"/in", "/var/flyte/outputs"}
    assert environment(downloader) == {"FLYTETEMPORAL_STORAGE__ROOT": "s3://b"}
    assert found["terminationGracePeriodSeconds"] == 3600
    with pytest.raises(Rejected, match="FLYTETEMPORAL_PODS__COPILOT_IMAGE"):
        built(template)


def test_the_same_attempt_always_gets_the_same_pod() -> None:
    assert built(task()) == built(task())
    assert built(task(), name="e1-n0-1") != built(task())
