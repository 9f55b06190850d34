"""Build the pod of an attempt from its task, the settings and a pod template. Pure.

The order of the steps and their rules mirror flyteplugins' pluginmachinery/flytek8s/pod_helper.go.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from flyteidl.core import tasks_pb2

from flytetemporal.config.pods import PodSettings
from flytetemporal.plugins import pod_targets, resources
from flytetemporal.plugins.pod_targets import Json, PodTarget
from flytetemporal.plugins.pods import copilot, merging, metadata, naming, scheduling, secrets, shared_memory
from flytetemporal.plugins.pods.container_resources import ResourceRules
from flytetemporal.plugins.pods.copilot import Copilot
from flytetemporal.plugins.pods.metadata import Owner
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected, TaskContext


@dataclass(frozen=True, slots=True)
class PodBuilder:
    """Builds the pods of a worker."""

    settings: PodSettings
    worker_environment: Mapping[str, str] = field(default_factory=dict)
    """The worker's variables, of which ``default_env_vars_from_env`` names some."""
    storage: Mapping[str, str] = field(default_factory=dict)
    """The variables by which the side containers of raw containers find the object store."""

    def build(self, context: TaskContext, owner: Owner, template: Json | None = None) -> Json:
        """Return the pod of an attempt; ``template`` is the ``template`` of the PodTemplate that it is based on.

        Raises:
            Rejected: the task or its node describes no pod that can be built.
        """
        base = template or {}
        target = self._target(context)
        spec = deepcopy(target.spec)
        built = PodTarget(spec, target.primary, target.labels, target.annotations)
        self._complete(context, built, base.get("spec") or {})
        staging = Copilot.of(context, self.settings, self.storage)
        if staging is not None:
            staging.add_to(spec, self._primary(built))
        scheduling.apply(spec, self.settings, _service_account(context), interruptible=context.interruptible)
        primary = self._primary(built)
        if self.settings.default_security_context and not primary.get("securityContext"):
            primary["securityContext"] = dict(self.settings.default_security_context)
        spec = merging.based_on(base.get("spec") or {}, spec, {target.primary, copilot.DOWNLOADER})
        built = PodTarget(spec, target.primary, target.labels, target.annotations)
        self._extend(context, built)
        secrets.laid_out(context.template.security_context.secrets).add_to(spec)
        described = metadata.of_pod(context, built, self.settings, owner, base.get("metadata") or {})
        return {"apiVersion": "v1", "kind": "Pod", "metadata": described, "spec": spec}

    def _target(self, context: TaskContext) -> PodTarget:
        overrides, task = context.request.overrides, context.template
        if overrides.pod_template.HasField("pod_spec"):
            return pod_targets.overriding(overrides.pod_template, task.id.name)
        if pod_targets.has_pod(task):
            return pod_targets.of(task)
        if not task.HasField("container"):
            target = task.WhichOneof("target") or "none"
            text = f"task {task.id.name} has neither a container nor a pod, but target {target}"
            raise Rejected(BAD_SPECIFICATION, text)
        return self._of_container(context)

    def _of_container(self, context: TaskContext) -> PodTarget:
        if not context.image:
            raise Rejected(BAD_SPECIFICATION, f"task {context.template.id.name} runs in a pod and names no image")
        count = len(context.template.container.command)
        container: Json = {
            "name": naming.container_name(context.name),
            "image": context.image,
            "command": list(context.command[:count]),
            "args": list(context.command[count:]),
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }
        if self.settings.image_pull_policy:
            container["imagePullPolicy"] = self.settings.image_pull_policy
        kept = {name: value for name, value in container.items() if value}
        return PodTarget({"containers": [kept]}, container["name"])

    def _complete(self, context: TaskContext, target: PodTarget, base: Json) -> None:
        """Fill in commands, variables and resources of every container."""
        for group, is_init in (("initContainers", True), ("containers", False)):
            for container in target.spec.get(group) or ():
                self._complete_container(context, target, container, base, is_init=is_init)

    def _complete_container(
        self, context: TaskContext, target: PodTarget, container: Json, base: Json, *, is_init: bool
    ) -> None:
        if pod_targets.has_pod(context.template) or context.request.overrides.HasField("pod_template"):
            for part in ("command", "args"):
                if container.get(part):
                    container[part] = list(context.render([str(one) for one in container[part]]))
        container["env"] = [*(container.get("env") or ()), *self._variables(context)]
        sources = self._sources()
        if sources:
            container["envFrom"] = [*(container.get("envFrom") or ()), *sources]
        is_primary, own = container.get("name") == target.primary and not is_init, container.get("resources") or {}
        if not is_primary and not is_init:
            if own:
                container["resources"] = self._rules.renamed(own)
            return
        wanted = _wanted(context, is_primary=is_primary)
        below = merging.base_of(base, str(container.get("name")), is_primary=is_primary, is_init=is_init)
        container["resources"] = self._rules.complete(below.get("resources") or {}, own, self._rules.of_message(wanted))

    def _extend(self, context: TaskContext, target: PodTarget) -> None:
        """Add accelerators and shared memory, and replace the image, as the node overrides them."""
        task, node = context.template.extended_resources, context.request.overrides.extended_resources
        primary = self._primary(target)
        accelerator = node if node.HasField("gpu_accelerator") else task
        if accelerator.HasField("gpu_accelerator"):
            scheduling.apply_accelerator(target.spec, accelerator.gpu_accelerator, self.settings)
        memory: tasks_pb2.ExtendedResources = node if node.HasField("shared_memory") else task
        if memory.HasField("shared_memory"):
            shared_memory.add(target.spec, primary, memory.shared_memory)
        if context.request.overrides.container_image:
            primary["image"] = context.request.overrides.container_image

    def _primary(self, target: PodTarget) -> Json:
        found: Json = next(one for one in target.spec["containers"] if one["name"] == target.primary)
        return found

    @property
    def _rules(self) -> ResourceRules:
        settings = self.settings
        return ResourceRules(settings.default_cpus, settings.default_memory, settings.gpu_resource_name)

    def _variables(self, context: TaskContext) -> Iterable[Json]:
        settings = self.settings
        own = self.worker_environment
        values = {
            **context.environment,
            **settings.default_env_vars,
            **{name: own[source] for name, source in settings.default_env_vars_from_env.items() if source in own},
        }
        return [{"name": name, "value": value} for name, value in values.items()]

    def _sources(self) -> list[Json]:
        return [
            *({"secretRef": {"name": name, "optional": True}} for name in self.settings.default_env_from_secrets),
            *({"configMapRef": {"name": name, "optional": True}} for name in self.settings.default_env_from_configmaps),
        ]


def _wanted(context: TaskContext, *, is_primary: bool) -> tasks_pb2.Resources:
    """Return the resources that precede those in the spec of a container."""
    request = context.request
    if not is_primary:
        return request.overrides.resources
    if not request.overrides.pod_template.HasField("pod_spec"):
        return context.resources
    # The pod of the node replaces the container of the task, and its resources with it.
    own = request.overrides.resources
    return resources.with_memory(own, request.memory_bytes) if request.memory_bytes else own


def _service_account(context: TaskContext) -> str:
    own = context.template.security_context.run_as.k8s_service_account
    return own or context.request.settings.security_context.run_as.k8s_service_account
