"""Prepare the container of an attempt: its mounts, variables and limits, and the files in its input folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from flyteidl.core import literals_pb2

from flytetemporal.plugins import resources
from flytetemporal.plugins.container_engine import arguments
from flytetemporal.plugins.container_engine.arguments import Mount, Request
from flytetemporal.plugins.copilot import downloads, uploads
from flytetemporal.plugins.local import process_ownership
from flytetemporal.plugins.local.host import Host
from flytetemporal.plugins.local.workspace import Workspace
from flytetemporal.plugins.protocol import BAD_SPECIFICATION, Rejected, TaskContext, specification_checked
from flytetemporal.storage.blobs import BlobStore

# Where Flyte's copilot mounts them unless the task names other paths, and where Flyte mounts secrets.
INPUTS, OUTPUTS = "/var/flyte/inputs", "/var/flyte/outputs"
SECRETS = "/etc/flyte/secrets"


@dataclass(frozen=True, slots=True)
class Preparation:
    """Prepares containers on one machine. ``options`` are further options of every container."""

    host: Host
    blobs: BlobStore
    options: Sequence[str]

    def request(self, context: TaskContext, folders: Workspace) -> tuple[Request, Mapping[str, str]]:
        """Return the request for the container, and the variables whose values only the engine's environment has.

        Secrets that are wanted as files are written, and the folders that are mounted are made.

        Raises:
            Rejected: a secret is missing, or a resource is not a quantity.
        """
        variables = self.host.secrets.deliver(context.template.security_context.secrets, folders.secrets, SECRETS)
        mounts = self._mounts(context, folders)
        if folders.secrets.is_dir():
            _open_to_every_user(folders.secrets)
            mounts.append(Mount(folders.secrets, SECRETS, read_only=True))
        if not context.template.container.data_config.enabled:
            variables = {**self.host.platform, **variables}
        # The mounted folders are open to every user, since the user of the image is unknown. Closing the folder
        # above them keeps other users of this machine out.
        folders.folder.chmod(0o700)
        with specification_checked():
            memory_bytes, cpus = resources.memory_bytes(context.resources), resources.cpus(context.resources)
        request = Request(
            labels={
                arguments.LEASE_LABEL: process_ownership.mine(),
                arguments.WORK_DIR_LABEL: str(self.host.work_dir),
                arguments.ATTEMPT_LABEL: context.key,
            },
            mounts=mounts,
            environment={name: value for name, value in context.environment.items() if name not in variables},
            hidden=variables,
            memory_bytes=memory_bytes,
            cpus=min(cpus, Decimal(os.cpu_count() or 1)),  # docker refuses more than the machine has
            options=self.options,
        )
        return request, variables

    def _mounts(self, context: TaskContext, folders: Workspace) -> list[Mount]:
        data, interface = context.template.container.data_config, context.template.interface
        if not data.enabled:
            # The task reads and writes the store itself. A store that is a folder has the same path in the container.
            store = self.blobs.local_path(self.blobs.root)
            return [] if store is None else [Mount(store, str(store))]
        mounts = []
        if interface.inputs.variables:
            mounts.append(Mount(inputs_folder(folders), data.input_path or INPUTS))
        if interface.outputs.variables:
            mounts.append(Mount(outputs_folder(folders), data.output_path or OUTPUTS))
        for mount in mounts:
            mount.source.mkdir()
            mount.source.chmod(0o777)
        return mounts

    async def download(self, context: TaskContext, folders: Workspace) -> None:
        """Write the inputs of a raw container into its input folder.

        Raises:
            InvalidRequest: a value has no form as a file.
            NotFound: the data of a value is gone.
        """
        data, variables = context.template.container.data_config, context.template.interface.inputs.variables
        if data.enabled and variables:
            inputs = await self.blobs.read_message(context.inputs_uri, literals_pb2.LiteralMap)
            seen_at = data.input_path or INPUTS
            await downloads.download(self.blobs, inputs, inputs_folder(folders), seen_at, data.format)

    async def upload(self, context: TaskContext, folders: Workspace) -> None:
        """Make outputs of the files in the output folder of a raw container."""
        template = context.template
        if template.container.data_config.enabled and template.interface.outputs.variables:
            folder, outputs = outputs_folder(folders), template.interface.outputs
            await uploads.upload(self.blobs, folder, outputs, context.output_dir, context.raw_output_dir)


def check(context: TaskContext) -> None:
    """Refuse a task that cannot succeed, before anything runs.

    Raises:
        Rejected: the task names no image, or a raw container has outputs that no file can hold.
    """
    name, data = context.template.id.name, context.template.container.data_config
    if not context.image:
        raise Rejected(BAD_SPECIFICATION, f"task {name} runs in a container and names no image")
    unsupported = uploads.unsupported(context.template.interface.outputs) if data.enabled else []
    if unsupported:
        text = "has outputs that a raw container cannot leave in files: only primitives, structures, files and folders"
        raise Rejected(BAD_SPECIFICATION, f"task {name} {text}; not {', '.join(unsupported)}")


def inputs_folder(folders: Workspace) -> Path:
    """Return the folder that the container sees as its inputs."""
    return folders.folder / "inputs"


def outputs_folder(folders: Workspace) -> Path:
    """Return the folder that the container sees as its outputs."""
    return folders.folder / "outputs"


def _open_to_every_user(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    folder.chmod(0o755)
