"""A task attempt as the workflow has scheduled it: its names, its places, and the context for its plugin. Pure."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flyteidl.core import identifier_pb2, literals_pb2, tasks_pb2

from flytetemporal.contracts import memory_rules
from flytetemporal.contracts.v1 import execution_pb2
from flytetemporal.errors import InvalidRequest, ValueTooLarge
from flytetemporal.idl import locations, offloading, quantities, times
from flytetemporal.plugins import command_template, environment, pod_targets, resources
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected, TaskContext, specification_checked

# Linux accepts no longer argument of a process (MAX_ARG_STRLEN, which includes the byte that terminates it).
ARGUMENT_BYTES = 128 * 1024 - 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """The request of the workflow and the template of the task. Change neither."""

    request: execution_pb2.TaskAttempt
    task: tasks_pb2.TaskTemplate

    @property
    def resources(self) -> tasks_pb2.Resources:
        """The resources of the attempt: the container's, the overrides of its node, and memory that was raised."""
        own = self._pod if pod_targets.has_pod(self.task) else None
        given = self.task.container.resources if own is None else pod_targets.primary_resources(own)
        merged = resources.merged(given, self.request.overrides.resources)
        raised = self.request.memory_bytes
        return resources.with_memory(merged, raised) if raised else merged

    @property
    def next_memory_bytes(self) -> int:
        """The memory of the attempt that follows if this one ran out of memory; 0: no rule raises it."""
        try:
            return resources.raised_memory(self.request.settings.memory_rules, self.task.id.name, self.resources)
        except InvalidRequest:  # What is no quantity limits nothing.
            return 0

    @property
    def shown_memory(self) -> str:
        """The memory that clients see at the attempt; empty if nothing but the task and its node decide about it."""
        rule = memory_rules.applying(self.request.settings.memory_rules, self.task.id.name)
        if rule is None and not self.request.shows_memory:
            return ""
        try:
            return quantities.binary(resources.memory_bytes(self.resources))
        except InvalidRequest:
            return ""

    @property
    def is_element(self) -> bool:
        """Whether the attempt is of an element of an array."""
        return self.request.HasField("element")

    @property
    def node_execution_id(self) -> identifier_pb2.NodeExecutionIdentifier:
        """The id of the attempt's node; elements of an array have node ids of their own."""
        node = self.request.node_event.id
        node_id = self.request.element.node_id if self.is_element else node.node_id
        return identifier_pb2.NodeExecutionIdentifier(execution_id=node.execution_id, node_id=node_id)

    @property
    def image(self) -> str:
        """The image of the container; an override of the node replaces the task's own."""
        return self.request.overrides.container_image or self.task.container.image

    @property
    def arguments(self) -> list[str]:
        """The commands of all containers and their arguments, not yet rendered."""
        own = self._pod
        containers = () if own is None else own.containers()
        parts = (one.get(part) or () for one in containers for part in ("command", "args"))
        return [*self._command, *(str(argument) for part in parts for argument in part)]

    @property
    def _command(self) -> list[str]:
        return [*self.task.container.command, *self.task.container.args]

    @property
    def _pod(self) -> pod_targets.PodTarget | None:
        """The pod that the task or its node describes; None if the task has a container, or a pod that is refused."""
        with contextlib.suppress(Rejected):  # The plugin says why.
            if self.request.overrides.pod_template.HasField("pod_spec"):
                return pod_targets.overriding(self.request.overrides.pod_template, self.task.id.name)
            if pod_targets.has_pod(self.task):
                return pod_targets.of(self.task)
        return None

    @property
    def reads_whole_inputs(self) -> bool:
        """Whether the attempt is of a container_array's element, which reads the inputs of the whole array."""
        return bool(self.request.inputs.element.whole_uri)

    @property
    def inputs_uri(self) -> str:
        """The URI of the file that the task reads."""
        return self.request.inputs.element.whole_uri or locations.inputs_uri(self.request.data_dir)

    @property
    def written_dir(self) -> str:
        """The directory into which the task writes: an element of a container_array appends its index itself."""
        if not self.reads_whole_inputs:
            return self.request.output_dir
        return locations.element_dir(self.request.output_dir, self.request.element.index)

    @property
    def places(self) -> command_template.Places:
        """The values of the template variables in the command."""
        data_dir = self.inputs_uri.removesuffix(f"/{locations.INPUTS}")
        # Tasks of type container_array, version 0, expect a directory and append the index to it.
        is_directory = self.reads_whole_inputs and self.task.task_type_version == 0
        return command_template.Places(
            data_dir=data_dir,
            inputs=data_dir if is_directory else self.inputs_uri,
            output_dir=self.request.output_dir,
            raw_output_dir=self.request.raw_output_dir,
            previous_checkpoint_dir=self.request.previous_checkpoint_dir,
            generated_name=self.request.generated_name,
            namespace=self.request.settings.namespace,
        )

    def context(self, inputs: literals_pb2.LiteralMap, min_offloaded_bytes: int) -> TaskContext:
        """Return what the plugin needs to know.

        Args:
            inputs: Those that the command names must be inline.
            min_offloaded_bytes: The size from which outputs are offloaded; 0: never.

        Raises:
            Rejected: the command cannot be rendered, or no process accepts it.
        """
        request, task = self.request, self.task

        def render(arguments: Iterable[str]) -> tuple[str, ...]:
            with specification_checked():
                return command_template.render(arguments, self.places, inputs)

        command = render(self._command)
        self._check_arguments(command, inputs)
        variables = environment.attempt_environment(request, task)
        if min_offloaded_bytes and offloading.reads_references(task):
            variables.update(environment.offloading(min_offloaded_bytes))
        return TaskContext(
            name=request.generated_name,
            node_execution_id=self.node_execution_id,
            attempt=request.attempt,
            template=task,
            command=command,
            image=self.image,
            environment=variables,
            resources=self.resources,
            inputs_uri=self.inputs_uri,
            output_dir=self.written_dir,
            raw_output_dir=request.raw_output_dir,
            timeout=times.limit(request.timeout),
            interruptible=request.interruptible,
            request=request,
            render=render,
        )

    def describe(self, problem: ValueTooLarge) -> str:
        """Return the text of an error about a value, with the node and the SDK that must handle it."""
        runtime = self.task.metadata.runtime
        sdk = f"; the task is of {runtime.flavor or 'no SDK'} {runtime.version}".rstrip()
        return f"node [{self.node_execution_id.node_id}]: {problem.message}{sdk}"

    def _check_arguments(self, command: Sequence[str], inputs: literals_pb2.LiteralMap) -> None:
        """Refuse a command that is too long for a process because of an input that it names."""
        longest = max((len(argument.encode()) for argument in command), default=0)
        named = command_template.inputs_named(self.arguments)
        if longest <= ARGUMENT_BYTES or not named:
            return
        sizes = ", ".join(
            f"[{name}] {inputs.literals[name].ByteSize()}" for name in sorted(named & set(inputs.literals))
        )
        raise Rejected(
            BAD_SPECIFICATION,
            f"node [{self.node_execution_id.node_id}]: an argument of the command has {longest} bytes, at most "
            f"{ARGUMENT_BYTES} are possible; it names inputs of these sizes: {sizes}. Pass the inputs file instead",
        )
