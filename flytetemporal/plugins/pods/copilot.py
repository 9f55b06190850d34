"""The side containers that stage inputs and outputs of raw containers. Pure.

The layout is that of flyteplugins' pluginmachinery/flytek8s/copilot.go; the program is ``flytetemporal copilot``.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from flyteidl.core import tasks_pb2

from flytetemporal.config.pods import PodSettings
from flytetemporal.plugins.copilot import uploads
from flytetemporal.plugins.pod_targets import Json
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected, TaskContext

DOWNLOADER, UPLOADER = "flyte-copilot-downloader", "flyte-copilot-uploader"
_INPUTS, _OUTPUTS = "flyte-inputs", "flyte-outputs"
_INPUT_PATH, _OUTPUT_PATH = "/var/flyte/inputs", "/var/flyte/outputs"


@dataclass(frozen=True, slots=True)
class Copilot:
    """The side containers of one raw container."""

    context: TaskContext
    data: tasks_pb2.DataLoadingConfig
    settings: PodSettings
    storage: Mapping[str, str]

    @classmethod
    def of(cls, context: TaskContext, settings: PodSettings, storage: Mapping[str, str]) -> "Copilot | None":
        """Return the side containers of a task, or None if it reads and writes the store itself.

        Raises:
            Rejected: the worker has no image for them, or an output has a type that no file can hold.
        """
        template = context.template
        data = template.container.data_config
        if template.HasField("k8s_pod"):
            data = template.k8s_pod.data_config
        if not data.enabled:
            return None
        name, unsupported = template.id.name, uploads.unsupported(template.interface.outputs)
        if unsupported:
            text = "has outputs that a raw container cannot leave in files: only primitives, structures, files, folders"
            raise Rejected(BAD_SPECIFICATION, f"task {name} {text}; not {', '.join(unsupported)}")
        if not settings.copilot_image:
            text = "has its data staged by side containers, whose image this worker does not know"
            raise Rejected(BAD_SPECIFICATION, f"task {name} {text}: set FLYTETEMPORAL_PODS__COPILOT_IMAGE")
        return cls(context, data, settings, storage)

    def add_to(self, spec: Json, primary: Json) -> None:
        """Add the side containers and their volumes to a pod."""
        interface = self.context.template.interface
        before = list(spec.get("initContainers") or ())
        if interface.outputs.variables:
            _mount(spec, primary, _OUTPUTS, self.data.output_path or _OUTPUT_PATH)
            before.insert(0, self._uploader())
            spec["terminationGracePeriodSeconds"] = int(self.settings.copilot_timeout.total_seconds())
        if interface.inputs.variables:
            _mount(spec, primary, _INPUTS, self.data.input_path or _INPUT_PATH)
            before.append(self._downloader())
        if before:
            spec["initContainers"] = before

    def _downloader(self) -> Json:
        path, form = self.data.input_path or _INPUT_PATH, tasks_pb2.DataLoadingConfig.LiteralMapFormat
        return {
            **self._side(DOWNLOADER, _INPUTS, path),
            "args": [
                *("copilot", "download", "--from-remote", self.context.inputs_uri, "--to-local-dir", path),
                *("--format", form.Name(self.data.format)),
            ],
        }

    def _uploader(self) -> Json:
        path, context = self.data.output_path or _OUTPUT_PATH, self.context
        interface = base64.b64encode(context.template.interface.SerializeToString()).decode()
        return {
            **self._side(UPLOADER, _OUTPUTS, path),
            # A sidecar of Kubernetes: it starts before the task and gets SIGTERM after it.
            "restartPolicy": "Always",
            "args": [
                *("copilot", "upload", "--after-sigterm", "--from-local-dir", path),
                *("--to-output-prefix", context.output_dir, "--to-raw-output", context.raw_output_dir),
                *("--interface", interface),
            ],
        }

    def _side(self, name: str, volume: str, path: str) -> Json:
        amounts = {"cpu": self.settings.copilot_cpu, "memory": self.settings.copilot_memory}
        return {
            "name": name,
            "image": self.settings.copilot_image,
            "command": ["flytetemporal"],
            "workingDir": "/",
            "imagePullPolicy": "IfNotPresent",
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "env": [{"name": key, "value": value} for key, value in self.storage.items()],
            "resources": {"requests": dict(amounts), "limits": dict(amounts)},
            "volumeMounts": [{"name": volume, "mountPath": path}],
        }


def _mount(spec: Json, container: Json, volume: str, path: str) -> None:
    spec["volumes"] = [*(spec.get("volumes") or ()), {"name": volume, "emptyDir": {}}]
    container["volumeMounts"] = [*(container.get("volumeMounts") or ()), {"name": volume, "mountPath": path}]
