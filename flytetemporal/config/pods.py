"""Settings of tasks that run as pods. Names and defaults are those of Flyte's section ``plugins.k8s``."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flytetemporal.config.part import Part

Objects = tuple[dict[str, Any], ...]


class LogLink(BaseModel):
    """A link to the logs of a pod, with variables such as ``{{ .podName }}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    display_name: str
    """The name that clients show."""
    template_uris: tuple[str, ...]
    """Addresses with variables; each makes a link."""
    message_format: Literal["unknown", "csv", "json"] = "unknown"
    """The format of the lines."""
    show_while_pending: bool = False
    """Whether the link is shown before the pod runs."""
    hide_once_finished: bool = False
    """Whether the link is hidden after the pod has ended."""


class PodSettings(Part):
    """The cluster, and the defaults of pods. Tolerations, affinities and the like are JSON as in a pod."""

    kubeconfig: str = ""
    """The kubeconfig file of the cluster; empty: that of the environment (KUBECONFIG), or the cluster that the worker
    itself runs in."""
    context: str = ""
    """The context in the kubeconfig file; empty: its current one."""
    in_cluster: bool = False
    """Whether the worker uses the service account of its own pod, even if there is a kubeconfig file."""
    home_namespace: str = ""
    """The namespace of the worker: of its lease, and of pod templates that a namespace of tasks lacks; empty:
    POD_NAMESPACE, else ``default``."""
    process_images: tuple[str, ...] = ()
    """Patterns, such as ``acme/small:*``. With plugin ``pods``, a task whose image matches one still runs as a process
    of the worker; container_images names those for its container engine."""
    keep_finished: timedelta = timedelta(0)
    """How long pods are kept after their end; 0: they are deleted as soon as their result is recorded."""
    keep_logs: bool = True
    """Whether the output of a pod is stored at its end, and linked as "Task Logs" like that of a process."""
    orphan_grace: timedelta = timedelta(minutes=5)
    """How long after the last sign of life of its worker a pod is deleted that no other worker has taken over."""
    lease_duration: timedelta = timedelta(seconds=40)
    """How long after its last renewal the lease of a worker is valid. It is renewed three times as often."""
    check_secrets: bool = True
    """Whether the worker looks for the secrets of a task before it makes the pod; it must be able to get secrets."""
    default_annotations: dict[str, str] = Field(
        default_factory=lambda: {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    )
    """Annotations of every pod."""
    default_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of every pod."""
    default_env_vars: dict[str, str] = Field(default_factory=dict)
    """Variables of every container. They also tell tasks where the object store is, such as FLYTE_AWS_ENDPOINT."""
    default_env_vars_from_env: dict[str, str] = Field(default_factory=dict)
    """Variable of every container to the variable of the worker that has its value."""
    default_env_from_configmaps: tuple[str, ...] = ()
    """Config maps whose entries become variables of every container."""
    default_env_from_secrets: tuple[str, ...] = ()
    """Secrets whose entries become variables of every container."""
    default_cpus: str = "1000m"
    """CPUs of a container that asks for none."""
    default_memory: str = "1024Mi"
    """Memory of a container that asks for none."""
    default_tolerations: Objects = ()
    """Tolerations of every pod."""
    default_node_selector: dict[str, str] = Field(default_factory=dict)
    """Node selector of every pod; its own entries win."""
    default_affinity: dict[str, Any] = Field(default_factory=dict)
    """Affinity of pods that have none."""
    scheduler_name: str = ""
    """Scheduler of pods that name none."""
    interruptible_tolerations: Objects = ()
    """Tolerations of interruptible attempts."""
    interruptible_node_selector: dict[str, str] = Field(default_factory=dict)
    """Node selector of interruptible attempts."""
    interruptible_node_selector_requirement: dict[str, Any] = Field(default_factory=dict)
    """Requirement of the node affinity of interruptible attempts."""
    non_interruptible_node_selector_requirement: dict[str, Any] = Field(default_factory=dict)
    """Requirement of the node affinity of all other attempts."""
    resource_tolerations: dict[str, Objects] = Field(default_factory=dict)
    """Name of a resource to the tolerations of pods with a container that names it."""
    copilot_image: str = ""
    """Image with flytetemporal for the side containers of raw containers."""
    copilot_timeout: timedelta = timedelta(hours=1)
    """How long the upload of the outputs of a raw container may take."""
    copilot_cpu: str = "500m"
    """CPUs of the side containers."""
    copilot_memory: str = "128Mi"
    """Memory of the side containers."""
    create_container_error_grace_period: timedelta = timedelta(minutes=3)
    """How long a container that cannot be created is waited for."""
    create_container_config_error_grace_period: timedelta = timedelta(0)
    """How long a container whose config map or secret is missing is waited for."""
    image_pull_backoff_grace_period: timedelta = timedelta(minutes=3)
    """How long an image that cannot be pulled is waited for."""
    pod_pending_timeout: timedelta = timedelta(0)
    """How long a pod may be pending; 0: no limit."""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    """Pull policy of containers that the task itself does not describe as a pod; empty: that of Kubernetes."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets with which images are pulled, besides those of the service account."""
    gpu_resource_name: str = "nvidia.com/gpu"
    """The resource that ``gpu`` stands for."""
    gpu_device_node_label: str = "k8s.amazonaws.com/accelerator"
    """The label of nodes that names their accelerator."""
    gpu_partition_size_node_label: str = "k8s.amazonaws.com/gpu-partition-size"
    """The label of nodes that names the size of the partitions of their accelerator."""
    gpu_unpartitioned_node_selector_requirement: dict[str, Any] = Field(default_factory=dict)
    """Requirement of the node affinity of tasks that need a whole accelerator."""
    gpu_unpartitioned_toleration: dict[str, Any] = Field(default_factory=dict)
    """Toleration of tasks that need a whole accelerator."""
    default_pod_security_context: dict[str, Any] = Field(default_factory=dict)
    """Security context of pods that have none."""
    default_security_context: dict[str, Any] = Field(default_factory=dict)
    """Security context of primary containers that have none."""
    enable_host_networking_pod: bool | None = None
    """Whether pods use the network of their node; unset: as each pod says."""
    default_pod_dns_config: dict[str, Any] = Field(default_factory=dict)
    """DNS settings of pods that have none."""
    default_pod_template_name: str = ""
    """The PodTemplate that pods are based on whose task names none."""
    backoff_base_seconds: float = Field(default=2.0, ge=1.0)
    """The pause after the n-th refusal of a quota is the n-th power of this, in seconds."""
    backoff_max_duration: timedelta = timedelta(seconds=20)
    """The longest pause after a refusal of a quota."""
    kubernetes_template_uri: str = ""
    """Address of the link "Kubernetes Logs"; empty: there is none."""
    cloudwatch_template_uri: str = ""
    """Address of the link "Cloudwatch Logs"; empty: there is none."""
    stackdriver_template_uri: str = ""
    """Address of the link "Stackdriver Logs"; empty: there is none."""
    log_links: tuple[LogLink, ...] = ()
    """Further links to logs."""
    dynamic_log_links: dict[str, LogLink] = Field(default_factory=dict)
    """Links for tasks whose configuration ``link_type`` names them."""
