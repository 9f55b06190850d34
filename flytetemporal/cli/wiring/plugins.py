"""The task plugins of a worker. To add a plugin, add its line to ``BY_TYPE``."""

from collections.abc import Callable

from flytetemporal.config.storage import StorageSettings
from flytetemporal.config.worker import WorkerSettings
from flytetemporal.plugins.container_engine.plugin import ContainerPlugin
from flytetemporal.plugins.process.plugin import ProcessPlugin
from flytetemporal.plugins.protocol import Plugin
from flytetemporal.plugins.registry import ContainerRule, Registry
from flytetemporal.storage.blobs import BlobStore

Build = Callable[[WorkerSettings, StorageSettings, BlobStore], Plugin]

BY_TYPE: dict[str, Build] = {}
"""Task type to the class of its plugin. All other tasks that have a container are run by the two plugins below."""


def registry(worker: WorkerSettings, storage: StorageSettings, blobs: BlobStore) -> Registry:
    """Build every plugin."""
    containers = ContainerRule(
        in_process=ProcessPlugin(worker, storage, blobs),
        in_image=ContainerPlugin(worker, storage, blobs),
        images=worker.container_images,
    )
    return Registry({kind: build(worker, storage, blobs) for kind, build in BY_TYPE.items()}, containers)
